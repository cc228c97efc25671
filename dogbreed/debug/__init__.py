"""Why a training learned or didn't, and where its time went; Lightning callbacks of their own."""
