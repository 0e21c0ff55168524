# The edge profile (preset `lite`): flags for size, and the operators that the build keeps. See docs/lite.md.

# What networks over pictures are made of. Reduce it to one model's own: chorus inspect MODEL --operators.
set(CHORUS_OPERATORS_OF_CNNS
  Add ArgMax AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose DepthToSpace Div Dropout Elu
  Erf Exp Expand Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity InstanceNormalization LRN
  LeakyRelu LogSoftmax MatMul Max MaxPool Min Mish Mul Neg PRelu Pad Pow ReduceMax ReduceMean ReduceSum Relu Reshape Resize Shape
  Sigmoid Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze)
set(CHORUS_OPERATORS "" CACHE STRING
  "edge profile: names of the operators to keep (chorus.Name for the domain chorus), or a file of them; empty: those of CNNs")

# What passes and version steps write by themselves is always there.
set(always Cast Constant Identity Mul Reshape Transpose)

# chorus_operators_header(FILE): a header with the names, for ops/chosen.h; rewritten only when they change.
function(chorus_operators_header file)
  set(names "${CHORUS_OPERATORS}")
  if(names STREQUAL "")
    set(names ${CHORUS_OPERATORS_OF_CNNS})
  elseif(NOT names MATCHES "[;, ]" AND EXISTS "${names}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${names}")
    file(READ "${names}" names)
  endif()
  string(REGEX REPLACE "[ \t\r\n,;]+" ";" names "${names}")
  list(APPEND names ${always})
  list(REMOVE_ITEM names "")
  list(REMOVE_DUPLICATES names)
  list(SORT names)
  file(GLOB kernels ${PROJECT_SOURCE_DIR}/src/engine/native/reference/*.cpp)
  set(kernel_rows "")
  foreach(kernel IN LISTS kernels)
    file(STRINGS ${kernel} rows REGEX "{\"[A-Z][A-Za-z0-9]*\", ")
    string(APPEND kernel_rows "${rows}")
  endforeach()
  set(text "")
  set(own_kernels "")
  foreach(name IN LISTS names)
    if(NOT name MATCHES "^[A-Za-z0-9_.]+$")
      message(FATAL_ERROR "CHORUS_OPERATORS: \"${name}\" is no name of an operator, and no file of that name is there")
    endif()
    string(APPEND text "    \"${name}\",\n")
    string(FIND "${kernel_rows}" "{\"${name}\", " at)
    if(at GREATER_EQUAL 0)
      string(APPEND own_kernels "    \"${name}\",\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT "// Written by cmake/Lite.cmake from the option CHORUS_OPERATORS.
#pragma once
#include <string_view>

namespace chorus {
inline constexpr std::string_view kChosenOperators[] = {
@text@};
/// Of these, those with a kernel: nobody asks for what they are made of.
inline constexpr std::string_view kOwnKernels[] = {
@own_kernels@};
}  // namespace chorus
")
endfunction()

chorus_operators_header(${PROJECT_BINARY_DIR}/lite/chorus_operators.h)
target_include_directories(chorus_flags INTERFACE ${PROJECT_BINARY_DIR}/lite)
target_compile_definitions(chorus_flags INTERFACE CHORUS_LITE=1)
set(sections -Os -ffunction-sections -fdata-sections)
target_compile_options(chorus_flags INTERFACE ${sections})
target_compile_options(chorus_fmt PRIVATE ${sections})
# Numbers in messages are neither long double nor written as a locale says.
target_compile_definitions(chorus_fmt PRIVATE FMT_USE_LONG_DOUBLE=0 FMT_STATIC_THOUSANDS_SEPARATOR=',')
target_compile_definitions(chorus_flags INTERFACE FMT_USE_LONG_DOUBLE=0)
# The linker sees all functions at once: 125 KB less.
include(CheckIPOSupported)
check_ipo_supported(RESULT CHORUS_LINKS_TOGETHER OUTPUT reason LANGUAGES CXX)
if(CHORUS_LINKS_TOGETHER)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_link_options(chorus_flags INTERFACE -flto-partition=one)  # 8 KB
  endif()
  set_target_properties(chorus_fmt PROPERTIES INTERPROCEDURAL_OPTIMIZATION ON)
else()
  message(WARNING "the edge profile is larger than it need be: ${reason}")
endif()
target_link_options(chorus_flags INTERFACE -Wl,--gc-sections -Wl,-O1 -Wl,-z,noseparate-code)
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs CHORUS_PACKS_RELOCATIONS)  # 50 KB of addresses in a few hundred bytes
if(CHORUS_PACKS_RELOCATIONS)
  target_link_options(chorus_flags INTERFACE -Wl,-z,pack-relative-relocs)
endif()

# chorus_unused_families(OUT ROW HEADER DIR SUFFIX FILE): the families `NAME_SUFFIX()` declared in HEADER whose file DIR/NAME.cpp names no
# chosen operator are not compiled: OUT becomes the expression that excludes them, FILE a source with empty ones.
function(chorus_unused_families out row header dir suffix file)
  file(STRINGS ${PROJECT_BINARY_DIR}/lite/chorus_operators.h names REGEX "^ +\"")
  file(STRINGS ${PROJECT_SOURCE_DIR}/src/${header} families REGEX "^std::span<const ${row}> [a-z_]+_${suffix}\\(\\);")
  set(excluded "")
  set(empty "")
  foreach(line IN LISTS families)
    string(REGEX REPLACE "^.*> ([a-z_]+)_${suffix}.*$" "\\1" family "${line}")
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/src/${dir}/${family}.cpp)  # it stands in a file of another name, which is compiled
      continue()
    endif()
    file(READ ${PROJECT_SOURCE_DIR}/src/${dir}/${family}.cpp text)
    set(used FALSE)
    foreach(name IN LISTS names)
      string(REGEX REPLACE "[ ,]" "" name "${name}")
      string(REGEX REPLACE "\"([a-z]+\\.)+" "\"" name "${name}")
      string(FIND "${text}" "${name}" at)
      if(at GREATER_EQUAL 0)
        set(used TRUE)
        break()
      endif()
    endforeach()
    if(NOT used)
      list(APPEND excluded ${family})
      string(APPEND empty "std::span<const ${row}> ${family}_${suffix}() { return {}; }\n")
    endif()
  endforeach()
  list(JOIN excluded "|" excluded)
  set(${out} "/${dir}/(${excluded})\\.cpp" PARENT_SCOPE)
  set(space chorus::families)
  if(row STREQUAL KernelRow)
    set(space chorus::native::reference)
  endif()
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT "// Written by cmake/Lite.cmake: families without a chosen operator.
#include <@header@>

namespace @space@ {
@empty@}  // namespace @space@
")
endfunction()
