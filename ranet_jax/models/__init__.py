"""The network: pure functions of (params, inputs) that know no files, no config and no data."""
