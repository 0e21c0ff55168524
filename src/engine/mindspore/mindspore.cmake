# The plug-in of MindSpore: its headers and libraries are those that `./dev engines mindspore` unpacks.
set(mindspore_root ${CMAKE_SOURCE_DIR}/.engines/mindspore)
if(DEFINED ENV{CHORUS_ENGINES_DIR})
  set(mindspore_root $ENV{CHORUS_ENGINES_DIR}/mindspore)
endif()
file(GLOB mindspore_installed CONFIGURE_DEPENDS ${mindspore_root}/.installed)  # a new installation configures again
if(NOT mindspore_installed OR CHORUS_SANITIZE OR CHORUS_QUICK_BUILD)
  return()
endif()
file(READ ${mindspore_root}/.installed mindspore_version)
string(REGEX REPLACE ".*==" "" mindspore_version "${mindspore_version}")
string(STRIP "${mindspore_version}" mindspore_version)
# The names of Python that its libraries ask for when they are loaded. No interpreter is started and none is needed on the machine:
# functions of a library of our own answer 0 (Py_IsInitialized among them), objects are empty. In a process that is Python, Python's own
# come first.
file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/engine/mindspore/python_names.txt names)
set(no_python "")
foreach(name IN LISTS names)
  if(name MATCHES "_Type$|^PyExc_|Struct$|Object$")
    string(APPEND no_python "char ${name}[1024];\n")
  else()
    string(APPEND no_python "void* ${name}(void);\nvoid* ${name}(void) { return 0; }\n")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/no_python.c CONTENT "${no_python}")
add_library(chorus_no_python SHARED ${CMAKE_CURRENT_BINARY_DIR}/no_python.c)
set_target_properties(chorus_no_python PROPERTIES C_VISIBILITY_PRESET default
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/engines)
install(TARGETS chorus_no_python LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/chorus/engines COMPONENT library OPTIONAL)

chorus_adapter(mindspore engine/mindspore)
# Its libraries were built with the old strings of libstdc++: so is all of the plug-in, which speaks C alone with the host.
target_compile_definitions(chorus_engine_mindspore PRIVATE _GLIBCXX_USE_CXX11_ABI=0
  CHORUS_MINDSPORE_VERSION="${mindspore_version}")
set(mindspore_include ${mindspore_root}/mindspore/include)
set(mindspore_folders ${mindspore_root}/mindspore ${mindspore_include} ${mindspore_include}/third_party
  ${mindspore_include}/third_party/robin_hood_hashing ${mindspore_include}/third_party/securec/include)
foreach(folder include core/include core/mindrt/include core/mindrt ops ops/include ops/kernel/include ccsrc ccsrc/include
    ccsrc/minddata/mindrecord/include)
  list(APPEND mindspore_folders ${mindspore_include}/mindspore/${folder})
endforeach()
# One file sees the headers; they are not ours to warn about.
list(TRANSFORM mindspore_folders PREPEND "-isystem;" OUTPUT_VARIABLE mindspore_options)
set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/engine/mindspore/kernel.cpp PROPERTIES
  COMPILE_DEFINITIONS ENABLE_FAST_HASH_TABLE=1 COMPILE_OPTIONS "${mindspore_options};-w")
set(mindspore_lib ${mindspore_root}/mindspore/lib)
set(mindspore_libraries chorus_no_python)
foreach(name core ops common hardware_abstract ops_host)
  list(APPEND mindspore_libraries ${mindspore_lib}/libmindspore_${name}.so)
endforeach()
list(APPEND mindspore_libraries ${mindspore_lib}/plugin/libmindspore_ops_cpu.so)
target_link_libraries(chorus_engine_mindspore PRIVATE ${mindspore_libraries})
# Kernels register themselves when the library is loaded: it must stay although few of its symbols are named. DT_RPATH, not RUNPATH, so
# that what its libraries need is found as well.
target_link_options(chorus_engine_mindspore BEFORE PRIVATE -Wl,--no-as-needed -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined)
set_target_properties(chorus_engine_mindspore PROPERTIES
  BUILD_RPATH "$ORIGIN;${mindspore_lib};${mindspore_lib}/plugin"
  INSTALL_RPATH "$ORIGIN;$ORIGIN/../../../.engines/mindspore/mindspore/lib;${mindspore_lib};${mindspore_lib}/plugin"
  MINDSPORE_OPTIONS "${mindspore_options};-w" MINDSPORE_LIBRARIES "${mindspore_libraries}")
