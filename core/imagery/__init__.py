"""Pictures from outside come in here, and nowhere else.

`confined_picture` opens a file in a child process with limits (`child`), which tells its kind by content (`sniff`,
`tiffs`), decodes PNG and JPEG (`flat`) or reads windows of a TIFF (`tiff_picture`), and gives 8-bit colours
(`colours`). Of a TIFF, `band_names` and `bands` say which bands are read, `pixels` where there is data, and `samples`
and `blocks` what a stretch is made from. `labels` says what a label mask may hold. `archives` takes pictures out of a
zip.
"""
