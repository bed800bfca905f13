# The language level, optimisation and warnings of our own code. Vendors' headers are system headers and stay silent.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or Sanitize" FORCE)
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

# Sources of a target are compiled several at a time: a whole build takes half the time. So a name in an anonymous
# namespace must be its target's only one. To edit and build again and again, -DFINPIPE_UNITY=OFF is faster.
option(FINPIPE_UNITY "Compile the sources of a target several at a time" ON)
set(CMAKE_UNITY_BUILD ${FINPIPE_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)

# Every module links this target: it carries what all of our code is compiled with.
add_library(finpipe_options INTERFACE)
target_include_directories(finpipe_options INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(finpipe_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # g++'s -Wconversion leaves the signs of integers out, and libstdc++ 12 uses what it calls deprecated in stable_sort.
  target_compile_options(finpipe_options INTERFACE -Wno-sign-conversion -Wno-deprecated-declarations)
endif()

if(FINPIPE_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes what stands in an included .cpp for what stands in a header.
  target_compile_options(finpipe_options INTERFACE -Wno-subobject-linkage)
endif()

if(FINPIPE_SANITIZE)
  target_compile_options(finpipe_options INTERFACE -fsanitize=${FINPIPE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(finpipe_options INTERFACE -fsanitize=${FINPIPE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 sees uninitialised reads that are not there once a sanitizer has rewritten the code.
    target_compile_options(finpipe_options INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
