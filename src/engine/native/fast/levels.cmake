# Each level of the fast kernels is compiled for its own instruction set, whatever the build type. Optimised under a sanitizer
# they take a minute each to compile; as they are, their tests take seconds.
set(level -O3)
if(CHORUS_QUICK_BUILD)
  set(level -O0)
endif()
if(CHORUS_LITE)
  set(level -O2)
endif()
set(fast_dir ${CMAKE_CURRENT_SOURCE_DIR}/engine/native/fast)
set_source_files_properties(${fast_dir}/portable/table.cpp PROPERTIES COMPILE_OPTIONS "${level}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set_source_files_properties(${fast_dir}/avx2/table.cpp PROPERTIES COMPILE_OPTIONS "${level};-mavx2;-mfma")
  set_source_files_properties(${fast_dir}/avx512/table.cpp PROPERTIES
    COMPILE_OPTIONS "${level};-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx2;-mfma")
endif()
# Other flags than those of the precompiled headers.
set_source_files_properties(${fast_dir}/portable/table.cpp ${fast_dir}/avx2/table.cpp ${fast_dir}/avx512/table.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
