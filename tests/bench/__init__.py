"""What `script/bench` runs: each bench measures one promise beside its baseline. Small ones run in the test suite."""
