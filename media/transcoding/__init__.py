"""Pure: from what a probe says of a film or a recording to how it is made playable everywhere."""
