"""The operators' console: what is wrong at a glance, and putting it right. Its pages stand over Django's admin."""
