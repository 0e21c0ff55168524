# The plug-in of PaddlePaddle: its headers and libraries are those that `./dev engines paddle` unpacks.
set(paddle_root ${PROJECT_SOURCE_DIR}/.engines/paddle)
if(DEFINED ENV{CHORUS_ENGINES_DIR})
  set(paddle_root $ENV{CHORUS_ENGINES_DIR}/paddle)
endif()
file(GLOB paddle_installed CONFIGURE_DEPENDS ${paddle_root}/.installed)  # a new installation configures again
if(NOT paddle_installed OR CHORUS_SANITIZE OR CHORUS_QUICK_BUILD)
  return()
endif()
chorus_adapter(paddle engine/paddle)
target_include_directories(chorus_engine_paddle SYSTEM PRIVATE ${paddle_root}/paddle/include)
target_compile_options(chorus_engine_paddle PRIVATE -Wno-deprecated-declarations)  # std::is_pod in its headers' templates
target_precompile_headers(chorus_engine_paddle PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/engine/paddle/paddle.h)
set(paddle_libraries ${paddle_root}/paddle/libs/libphi_core.so ${paddle_root}/paddle/libs/libcommon.so
  ${paddle_root}/paddle/libs/libiomp5.so)
target_link_libraries(chorus_engine_paddle PRIVATE ${paddle_libraries})
# DT_RPATH, not RUNPATH, so that what its libraries need is found as well.
target_link_options(chorus_engine_paddle BEFORE PRIVATE -Wl,--no-as-needed -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined)
set_target_properties(chorus_engine_paddle PROPERTIES BUILD_RPATH "${paddle_root}/paddle/libs"
  INSTALL_RPATH "$ORIGIN/../../../.engines/paddle/paddle/libs;${paddle_root}/paddle/libs")
set_target_properties(chorus_engine_paddle PROPERTIES PADDLE_INCLUDE "${paddle_root}/paddle/include"
  PADDLE_LIBRARIES "${paddle_libraries}")
