"""Settings at run time, as operators see and change them: page, API and command over one flow (`changing`)."""
