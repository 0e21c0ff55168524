# The plug-in of PyTorch: its headers and libraries are those that `./dev engines torch` unpacks. find_package(Torch) would ask for CUDA.
set(torch_root ${PROJECT_SOURCE_DIR}/.engines/torch)
if(DEFINED ENV{CHORUS_ENGINES_DIR})
  set(torch_root $ENV{CHORUS_ENGINES_DIR}/torch)
endif()
file(GLOB torch_installed CONFIGURE_DEPENDS ${torch_root}/.installed)  # a new installation configures again
if(NOT torch_installed OR CHORUS_SANITIZE OR CHORUS_QUICK_BUILD)
  return()
endif()
chorus_adapter(torch engine/torch)
set(torch_include ${torch_root}/torch/include)
target_include_directories(chorus_engine_torch SYSTEM PRIVATE ${torch_include} ${torch_include}/torch/csrc/api/include)
target_precompile_headers(chorus_engine_torch PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/engine/torch/torch.h)
target_link_libraries(chorus_engine_torch PRIVATE ${torch_root}/torch/lib/libtorch_cpu.so ${torch_root}/torch/lib/libc10.so)
# Kernels register themselves when the library is loaded: it must stay although few of its symbols are named. DT_RPATH, not RUNPATH, so
# that what its libraries need is found as well.
target_link_options(chorus_engine_torch BEFORE PRIVATE -Wl,--no-as-needed -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined)
set_target_properties(chorus_engine_torch PROPERTIES BUILD_RPATH "${torch_root}/torch/lib"
  INSTALL_RPATH "$ORIGIN/../../../.engines/torch/torch/lib;${torch_root}/torch/lib")
set_target_properties(chorus_engine_torch PROPERTIES TORCH_INCLUDE "${torch_include}"
  TORCH_LIBRARIES "${torch_root}/torch/lib/libtorch_cpu.so;${torch_root}/torch/lib/libc10.so")
