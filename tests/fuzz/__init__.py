"""What `script/fuzz` runs: thousands of broken files through the decoders and readers, in children that may die."""
