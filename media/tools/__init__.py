"""The only room that starts a process or binds a C library of media: run, ffmpeg, ffprobe, vips, pillow, raw ..."""
