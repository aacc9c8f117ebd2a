"""The one door for pictures from outside. What lies behind it, from the outside in:

`door` opens a file in a child process with limits (`child`), which tells its kind by content (`sniff`, `tiffs`),
decodes PNG and JPEG (`flat`) or reads windows of a GeoTIFF (`geotiff`), and gives 8-bit colours (`colours`). Of a
TIFF, `names`, `bands` and `alpha` say which bands are read, `pixels` where there is data, and `samples`, `windows` and
`blocks` what a stretch is made from. `masks` and `labels` read label masks. `archives` takes pictures out of a zip.
"""
