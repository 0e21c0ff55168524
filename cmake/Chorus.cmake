# Flags and the functions from which every target is made.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
find_package(Threads REQUIRED)

add_library(chorus_flags INTERFACE)
target_include_directories(chorus_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/gen/include>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
# Numbers: no contraction behind our back, so that two builds agree; errno of math functions is never read.
target_compile_options(chorus_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers
  -fno-math-errno -ffp-contract=off -fno-semantic-interposition)
add_library(chorus_fmt STATIC ${PROJECT_SOURCE_DIR}/cmake/fmt.cpp)
target_link_libraries(chorus_flags INTERFACE chorus_fmt Threads::Threads ${CMAKE_DL_LIBS})
if(CHORUS_LITE)
  include(Lite)
endif()
if(CHORUS_SANITIZE)
  target_compile_options(chorus_flags INTERFACE -fsanitize=${CHORUS_SANITIZE} -fno-omit-frame-pointer -g1
    -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    target_link_options(chorus_flags INTERFACE -fuse-ld=lld)
  endif()
  if(CHORUS_SANITIZE MATCHES undefined AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # With these g++ takes no address of a function for a constant (GCC bug 71962); the address sanitizer sees null as well.
    target_compile_options(chorus_flags INTERFACE -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
  endif()
  target_link_options(chorus_flags INTERFACE -fsanitize=${CHORUS_SANITIZE})
endif()

# Quick builds: cmake/precompiled.h once for what is optimised and once for what is not. Other builds compile every file from
# nothing, so that each still includes what it uses.
if(CHORUS_QUICK_BUILD)
  set(CMAKE_PCH_INSTANTIATE_TEMPLATES ON)
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)  # one precompiled form for libraries and programs
  foreach(kind plain optimised)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${kind}.cpp CONTENT "")
    add_library(chorus_precompiled_${kind} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${kind}.cpp)
    target_link_libraries(chorus_precompiled_${kind} PRIVATE chorus_flags)
    target_compile_definitions(chorus_precompiled_${kind} PRIVATE GTEST_HAS_PTHREAD=1)  # as the tests have it
    # The cache may restore the precompiled form with a newer time than its headers have.
    target_compile_options(chorus_precompiled_${kind} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endforeach()
  # Core, kernels and pictures see no graph: a name of theirs may be one of its names.
  target_precompile_headers(chorus_precompiled_optimised PRIVATE ${PROJECT_SOURCE_DIR}/cmake/precompiled.h)
  target_precompile_headers(chorus_precompiled_plain PRIVATE ${PROJECT_SOURCE_DIR}/cmake/precompiled.h <core/convert.h>
    <ops/table.h> <ops/rules.h> <graph/infer.h>)
  target_compile_options(chorus_precompiled_optimised PRIVATE -O1)
endif()

# chorus_quick(TARGET [OPTIMISED]): what a quick build does to a target; nothing in other builds.
function(chorus_quick target)
  if(NOT CHORUS_QUICK_BUILD)
    return()
  endif()
  if("OPTIMISED" IN_LIST ARGN)
    target_compile_options(${target} PRIVATE -O1)
    target_precompile_headers(${target} REUSE_FROM chorus_precompiled_optimised)
  else()
    target_precompile_headers(${target} REUSE_FROM chorus_precompiled_plain)
  endif()
endfunction()

# chorus_layer(NAME DIR [EXCLUDE regex] [OUTSIDE] [COMPUTES] [DEPENDS other layers or libraries …]): a folder of src/ as a library
# `chorus_NAME`; every .cpp below DIR belongs to it but those of sub-folders that are layers of their own (EXCLUDE).
# The layer becomes part of libchorus.so unless OUTSIDE is given (layers that need more than the C++ runtime). COMPUTES: tests
# wait for its loops, so that even quick builds optimise it.
function(chorus_layer name dir)
  cmake_parse_arguments(L "OUTSIDE;COMPUTES" "EXCLUDE" "DEPENDS" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY CHORUS_LAYERS chorus_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp)
  if(L_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${L_EXCLUDE}")
  endif()
  if(NOT sources)  # headers only
    add_library(chorus_${name} INTERFACE)
    target_link_libraries(chorus_${name} INTERFACE chorus_flags ${L_DEPENDS})
    return()
  endif()
  add_library(chorus_${name} STATIC ${sources})
  target_link_libraries(chorus_${name} PUBLIC chorus_flags ${L_DEPENDS})
  if(L_COMPUTES)
    chorus_quick(chorus_${name} OPTIMISED)
  else()
    chorus_quick(chorus_${name})
  endif()
  if(NOT L_OUTSIDE)
    set_property(GLOBAL APPEND PROPERTY CHORUS_INSIDE chorus_${name})
  endif()
endfunction()

# chorus_shared_library(): libchorus.so from the objects of all layers that are not OUTSIDE, with its install rules and the
# CMake package. Nothing is visible but what include/chorus/ marks with the export macro (see cmake/exports.map).
function(chorus_shared_library)
  get_property(layers GLOBAL PROPERTY CHORUS_INSIDE)
  add_library(chorus SHARED)
  add_library(Chorus::chorus ALIAS chorus)  # the installed package's name, for those who take the sources in
  foreach(layer IN LISTS layers)
    target_sources(chorus PRIVATE $<TARGET_OBJECTS:${layer}>)
  endforeach()
  target_link_libraries(chorus PRIVATE $<BUILD_INTERFACE:chorus_flags>)
  set(map ${PROJECT_SOURCE_DIR}/cmake/exports.map)
  if(CHORUS_LITE)
    set(map ${PROJECT_SOURCE_DIR}/cmake/exports_lite.map)
  endif()
  target_link_options(chorus PRIVATE -Wl,--version-script=${map} -Wl,--exclude-libs,ALL -Wl,--as-needed)
  if(NOT CHORUS_SANITIZE)
    target_link_options(chorus PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(chorus PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINKER_LANGUAGE CXX LINK_DEPENDS ${map})
  target_include_directories(chorus INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(chorus INTERFACE cxx_std_17)  # the headers of the standards are C++17, chorus.h needs C++20

  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Chorus)
  install(TARGETS chorus EXPORT ChorusTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
  # Programs see the models' interface only; the header for engines is a package of its own.
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/chorus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
    FILES_MATCHING PATTERN "*.h" PATTERN "engine_*.h" EXCLUDE)
  install(FILES ${PROJECT_SOURCE_DIR}/include/chorus/engine_abi.h ${PROJECT_SOURCE_DIR}/include/chorus/engine_formats.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/chorus COMPONENT engine_sdk)
  if(EXISTS ${PROJECT_SOURCE_DIR}/gen/include/chorus)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/gen/include/chorus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
      FILES_MATCHING PATTERN "*.h")
  endif()
  install(EXPORT ChorusTargets NAMESPACE Chorus:: DESTINATION ${package} COMPONENT library)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ChorusConfig.cmake.in ${PROJECT_BINARY_DIR}/ChorusConfig.cmake
    INSTALL_DESTINATION ${package})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/ChorusConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/ChorusConfig.cmake ${PROJECT_BINARY_DIR}/ChorusConfigVersion.cmake
    DESTINATION ${package} COMPONENT library)
endfunction()

# chorus_adapter(NAME DIR [DEPENDS …]): src/DIR/*.cpp and *.c as the plug-in lib/engines/libchorus_engine_NAME.so. It sees the
# public headers only (the C ABI), never the layers.
function(chorus_adapter name dir)
  cmake_parse_arguments(A "" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*.c)
  if(NOT sources)
    return()
  endif()
  add_library(chorus_engine_${name} MODULE ${sources})
  target_link_libraries(chorus_engine_${name} PRIVATE chorus_flags ${A_DEPENDS})
  # No symbol of one engine may become another's, whatever their libraries have in common.
  target_compile_options(chorus_engine_${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>)
  target_link_options(chorus_engine_${name} PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(chorus_engine_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/engines)
  if(NOT TARGET engine_plugins)
    add_custom_target(engine_plugins)  # all of them
  endif()
  add_dependencies(engine_plugins chorus_engine_${name})
  # OPTIONAL: a build of the library alone can be installed.
  install(TARGETS chorus_engine_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/chorus/engines COMPONENT library OPTIONAL)
endfunction()

# chorus_test(NAME DIR [TIMEOUT seconds] [SERIAL] [THREADS] [DEPENDS …]): tests/DIR/*_test.cpp as one GoogleTest program
# `test_NAME`. SERIAL: runs alone, for tests that measure time. THREADS: starts threads, so it runs under TSan as well.
function(chorus_test name dir)
  cmake_parse_arguments(T "SERIAL;THREADS" "TIMEOUT" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE ${T_DEPENDS} chorus_test_support GTest::gtest)
  if(CMAKE_BUILD_TYPE STREQUAL Release AND NOT CHORUS_QUICK_BUILD)
    target_compile_options(test_${name} PRIVATE -O1)  # compiles in three quarters of the time; what is tested has -O2
  endif()
  chorus_quick(test_${name})
  add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(T_TIMEOUT)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${T_TIMEOUT})
  endif()
  if(T_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
  set_property(GLOBAL APPEND PROPERTY CHORUS_TEST_PROGRAMS test_${name})
  if(T_THREADS)
    set_tests_properties(${name} PROPERTIES LABELS threads)
    set_property(GLOBAL APPEND PROPERTY CHORUS_THREAD_PROGRAMS test_${name})
  endif()
endfunction()

# chorus_fuzz(NAME [DEPENDS …]): the target tests/fuzz/NAME_fuzz.cpp as the libFuzzer program `fuzz_NAME` (preset fuzz, clang). Every
# build has its source in CHORUS_FUZZ_SOURCES, for the test that runs all targets.
function(chorus_fuzz name)
  cmake_parse_arguments(F "" "" "DEPENDS" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY CHORUS_FUZZ_SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cpp)
  if(NOT CHORUS_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cpp ${PROJECT_SOURCE_DIR}/tests/fuzz/libfuzzer.cpp)
  target_compile_definitions(fuzz_${name} PRIVATE CHORUS_FUZZ_TARGET=${name})
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(fuzz_${name} PRIVATE ${F_DEPENDS} chorus_flags)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY CHORUS_FUZZERS fuzz_${name})
endfunction()
