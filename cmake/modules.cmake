# How a module, its tests and its benchmarks become targets. Sources are found by name, so adding a file needs no edit:
#   src/<module>/*.cpp              finpipe_<module>      static library (or interface library without sources)
#   src/<module>/tests/*_test.cpp   <module>_test         one GoogleTest program, one ctest entry
#   src/<module>/bench/*_bench.cpp  <module>_bench        one Google Benchmark program
#   tests/<dir>/*_test.cpp          <dir>_test            what crosses modules
#   **/test_*.py                    one ctest entry each  scripts that drive the program, or test other scripts
#   benchmarks/*_bench.cpp          comparison_bench      comparisons against other systems
#   benchmarks/<dir>/*.cpp          <dir>_bench           one that drives the program, with a main of its own
# Test files named *_long_test.cpp go to a program of their own; it and scripts named test_*_long.py are labelled
# `long`: sanitizer builds leave them out.
# Every test and benchmark is compiled with FINPIPE_SOURCE_DIR, the root of the tree, to find data/ and policies/.

# finpipe_module(<name> [DEPS <modules>] [LINK <vendor targets>] [TEST_LINK <targets>] [BENCH_LINK <targets>]
#                [ONLY <prefix>] [DIR <directory>])   ONLY: of its sources and tests those whose names begin so
#                                                     DIR: where it is in src/, when not in <name>
function(finpipe_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ONLY;DIR" "DEPS;LINK;TEST_LINK;BENCH_LINK")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "finpipe_module(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_DIR)
    set(arg_DIR ${name})
  endif()
  set(dir "${PROJECT_SOURCE_DIR}/src/${arg_DIR}")
  set(target finpipe_${name})
  list(TRANSFORM arg_DEPS PREPEND finpipe_ OUTPUT_VARIABLE deps)

  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cpp")
  list(REMOVE_ITEM sources "${dir}/main.cpp")
  list(FILTER sources INCLUDE REGEX "/${arg_ONLY}[^/]*$")
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC finpipe_options fmt::fmt ${deps} PRIVATE ${arg_LINK})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE finpipe_options fmt::fmt ${deps})
  endif()
  set_property(GLOBAL APPEND PROPERTY FINPIPE_LIBRARIES ${target})

  finpipe_test_program(${name} "${dir}/tests" ONLY "${arg_ONLY}" LINK ${target} ${arg_LINK} ${arg_TEST_LINK})
  file(GLOB benches CONFIGURE_DEPENDS "${dir}/bench/*_bench.cpp")
  finpipe_bench_program(${name} SOURCES ${benches} LINK ${target} ${arg_LINK} ${arg_BENCH_LINK})
endfunction()

# The tests of one directory: <name>_test, and <name>_long_test for the long ones. Other .cpp files there are support,
# compiled into both.
function(finpipe_test_program name dir)
  if(NOT FINPIPE_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "ONLY" "LINK")
  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cpp")
  list(FILTER sources INCLUDE REGEX "/${arg_ONLY}[^/]*$")
  set(short_tests ${sources})
  list(FILTER short_tests INCLUDE REGEX "_test\\.cpp$")
  set(long_tests ${short_tests})
  list(FILTER short_tests EXCLUDE REGEX "_long_test\\.cpp$")
  list(FILTER long_tests INCLUDE REGEX "_long_test\\.cpp$")
  set(support ${sources})
  list(FILTER support EXCLUDE REGEX "_test\\.cpp$")

  if(short_tests)
    finpipe_gtest(${name}_test SOURCES ${short_tests} ${support} LINK ${arg_LINK} LABELS hermetic TIMEOUT 900)
  endif()
  if(long_tests AND NOT FINPIPE_SANITIZE)
    finpipe_gtest(${name}_long_test SOURCES ${long_tests} ${support} LINK ${arg_LINK} LABELS hermetic long TIMEOUT 900)
    set_tests_properties(${name}_long_test PROPERTIES COST 900)  # begins before the shorter ones
  endif()
endfunction()

function(finpipe_gtest target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK;LABELS")
  add_executable(${target} ${arg_SOURCES})
  target_compile_definitions(${target} PRIVATE FINPIPE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${arg_LINK} finpipe_options GTest::gtest_main)
  add_test(NAME ${target} COMMAND ${target} --gtest_brief=1)
  set_tests_properties(${target} PROPERTIES
    LABELS "${arg_LABELS}"
    TIMEOUT ${arg_TIMEOUT}
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tools/tsan.supp:ignore_noninstrumented_modules=1;UBSAN_OPTIONS=print_stacktrace=1")
endfunction()

# A benchmark program; with tests on, a run of a millisecond each keeps it from rotting. FINPIPE_BENCH_SMALL=1 asks a
# benchmark that prepares large input to prepare little.
function(finpipe_bench_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  if(NOT FINPIPE_BENCHMARKS OR NOT arg_SOURCES)
    return()
  endif()
  add_executable(${name}_bench ${arg_SOURCES})
  target_compile_definitions(${name}_bench PRIVATE FINPIPE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name}_bench PRIVATE ${arg_LINK} finpipe_options benchmark::benchmark_main)
  set_property(GLOBAL APPEND PROPERTY FINPIPE_BENCH_PROGRAMS ${name}_bench)
  if(FINPIPE_TESTS)
    add_test(NAME ${name}_bench COMMAND ${name}_bench --benchmark_min_time=0.001)
    set_tests_properties(${name}_bench PROPERTIES
      LABELS "hermetic;bench" TIMEOUT 300 ENVIRONMENT "FINPIPE_BENCH_SMALL=1")
  endif()
endfunction()

# Tests written as Python scripts (standard library and Debian's python3-websocket), which exit non-zero when they fail.
# Those named test_*_service.py start real services, which are downloaded once, and so are not hermetic.
function(finpipe_python_tests group)
  foreach(script IN LISTS ARGN)
    cmake_path(GET script STEM stem)
    set(name ${group}_${stem})
    set(labels hermetic)
    if(stem MATCHES "_service$")
      set(labels "services;kafka")
      if(script MATCHES cassandra)
        set(labels "services;cassandra")
      endif()
    endif()
    if(stem MATCHES "_long$")
      list(APPEND labels long)
    endif()
    add_test(NAME ${name} COMMAND Python3::Interpreter -B "${script}")
    set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 900)
    if(TARGET finpipe)
      set_property(TEST ${name} PROPERTY ENVIRONMENT "FINPIPE=$<TARGET_FILE:finpipe>")
    endif()
  endforeach()
endfunction()

# tests/<dir>/*_test.cpp; tests/<dir>/test_*.py, which drive the program (environment FINPIPE); and the unit tests of
# scripts and data files, which need no build and so are left to the release build.
function(finpipe_cross_module_tests)
  if(NOT FINPIPE_TESTS)
    return()
  endif()
  get_property(libraries GLOBAL PROPERTY FINPIPE_LIBRARIES)
  file(GLOB dirs CONFIGURE_DEPENDS LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/tests/*")
  foreach(dir IN LISTS dirs)
    if(NOT IS_DIRECTORY "${dir}")
      continue()
    endif()
    cmake_path(GET dir FILENAME name)
    # These need servers or tools: see their CMakeLists.txt.
    if(name MATCHES "^(cassandra|kafka|observability|registry)$" OR (name STREQUAL "serving" AND NOT FINPIPE_NETWORK))
      continue()
    endif()
    finpipe_test_program(${name} "${dir}" LINK ${libraries} rocksdb)
    if(TARGET finpipe)
      file(GLOB scripts CONFIGURE_DEPENDS "${dir}/test_*.py")
      finpipe_python_tests(${name} ${scripts})
    endif()
  endforeach()

  if(NOT FINPIPE_SANITIZE)
    set(root "${PROJECT_SOURCE_DIR}")
    file(GLOB scripts CONFIGURE_DEPENDS
      "${root}/tools/tests/test_*.py" "${root}/tools/*/tests/test_*.py" "${root}/policies/tests/test_*.py")
    finpipe_python_tests(scripts ${scripts})
    add_test(NAME layer_check COMMAND Python3::Interpreter -B "${root}/tools/layer_check.py")
    set_tests_properties(layer_check PROPERTIES LABELS hermetic TIMEOUT 60)
  endif()
endfunction()

# A benchmark that starts the program (FINPIPE_PROGRAM, unless the environment has another one in FINPIPE). It takes the
# arguments of the others, --benchmark_filter among them.
function(finpipe_program_bench dir)
  if(NOT TARGET finpipe)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  cmake_path(GET dir FILENAME stem)
  set(name ${stem}_bench)
  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cpp")
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/benchmarks")
  target_compile_definitions(${name} PRIVATE FINPIPE_PROGRAM="$<TARGET_FILE:finpipe>")
  target_link_libraries(${name} PRIVATE ${arg_LINK} finpipe_options)
  add_dependencies(${name} finpipe)
  set_property(GLOBAL APPEND PROPERTY FINPIPE_BENCH_PROGRAMS ${name})
  if(FINPIPE_TESTS)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES
      LABELS "hermetic;bench" TIMEOUT 300 ENVIRONMENT "FINPIPE_BENCH_SMALL=1")
  endif()
endfunction()

# benchmarks/*_bench.cpp, those of benchmarks/*/, and the target `bench_programs` that builds every benchmark of the
# tree.
function(finpipe_cross_module_benchmarks)
  if(NOT FINPIPE_BENCHMARKS)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/benchmarks/*_bench.cpp")
  get_property(libraries GLOBAL PROPERTY FINPIPE_LIBRARIES)
  finpipe_bench_program(comparison SOURCES ${sources} LINK ${libraries} rocksdb simdjson::simdjson)
  file(GLOB dirs CONFIGURE_DEPENDS LIST_DIRECTORIES true "${PROJECT_SOURCE_DIR}/benchmarks/*")
  foreach(dir IN LISTS dirs)
    file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.cpp")
    if(sources AND NOT EXISTS "${dir}/CMakeLists.txt")
      finpipe_program_bench("${dir}" LINK finpipe_endpoint)
    endif()
  endforeach()
  get_property(programs GLOBAL PROPERTY FINPIPE_BENCH_PROGRAMS)
  add_custom_target(bench_programs DEPENDS ${programs})
  list(JOIN programs "\n" text)
  file(WRITE "${PROJECT_BINARY_DIR}/bench_programs.txt" "${text}\n")
endfunction()
