"""What models say of media: faces and people, objects, sounds, speech, and search over all of it."""
