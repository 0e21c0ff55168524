# What the picture layer links: decoders, FreeType for drawing, Clipper for offsetting polygons.
find_package(PkgConfig REQUIRED)
pkg_check_modules(CHORUS_IMAGE REQUIRED IMPORTED_TARGET libjpeg libpng libwebp libwebpdemux libopenjp2 libtiff-4 freetype2)
add_library(chorus_image_libraries INTERFACE)
target_link_libraries(chorus_image_libraries INTERFACE PkgConfig::CHORUS_IMAGE)
