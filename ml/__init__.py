"""What models say about media. Empty until the understanding part is built."""
