"""What people have on disk: images, masks, videos and sound, read and written."""
