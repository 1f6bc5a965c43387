"""`manage.py doctor`: one page on the state of this machine and this installation."""
