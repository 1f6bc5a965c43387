"""The console's first page: figures of what lies here and what is done, and warnings with the way to put them right.

Each figure stands by itself: a function that gives plain JSON, an address of the API, a panel that loads on its own.
None scans a big table: counts are kept (`media.tallies`), what is looked up has an index.
"""
