"""The bridge to smdebug, AWS's debugging library."""
