# Each level of the fast kernels is compiled for its own instruction set, whatever the build type.
set(fast_dir ${CMAKE_CURRENT_SOURCE_DIR}/engine/native/fast)
set_source_files_properties(${fast_dir}/portable/table.cpp PROPERTIES COMPILE_OPTIONS "-O3")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set_source_files_properties(${fast_dir}/avx2/table.cpp PROPERTIES COMPILE_OPTIONS "-O3;-mavx2;-mfma")
  set_source_files_properties(${fast_dir}/avx512/table.cpp PROPERTIES
    COMPILE_OPTIONS "-O3;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma")
endif()
