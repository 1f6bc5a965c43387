"""What models are shown and played: pictures, frames of films, blocks of sound. Decoded by `media`, once."""
