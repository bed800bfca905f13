# The Cassandra client: a Rust library behind a C header, in src/stores/cassandra/driver. Whoever links `finpipe_cql`
# can include "finpipe_cql.h". What cargo builds goes to ${CMAKE_BINARY_DIR}/cassandra, nothing into the sources.

find_program(FINPIPE_CARGO cargo DOC "Builds the Cassandra client")
mark_as_advanced(FINPIPE_CARGO)
set(version 0)
if(FINPIPE_CARGO)
  execute_process(COMMAND "${FINPIPE_CARGO}" --version OUTPUT_VARIABLE version)
  string(REGEX REPLACE "^cargo ([0-9.]+).*$" "\\1" version "${version}")
endif()
if(version VERSION_LESS 1.88)
  set(default OFF)
else()
  set(default ON)
endif()
option(FINPIPE_CASSANDRA "Build the Cassandra store; needs cargo 1.88 or newer and the Rust package index" ${default})
if(NOT FINPIPE_CASSANDRA)
  message(STATUS "Without the Cassandra store (FINPIPE_CASSANDRA=OFF)")
  return()
endif()
if(version VERSION_LESS 1.88)
  message(FATAL_ERROR "The Cassandra store needs cargo 1.88 or newer: "
    "install cargo-web (tools/packages.sh install cassandra), or configure with -DFINPIPE_CASSANDRA=OFF")
endif()

set(source "${PROJECT_SOURCE_DIR}/src/stores/cassandra/driver")
set(output "${PROJECT_BINARY_DIR}/cassandra")
if(FINPIPE_SANITIZE)
  # Nothing of it is instrumented: the one of the release build serves.
  set(output "${PROJECT_SOURCE_DIR}/build/cassandra")
endif()
set(library "${output}/release/libfinpipe_cql.a")
set(cargo "${CMAKE_COMMAND}" -E env --unset=RUSTFLAGS "CARGO_TARGET_DIR=${output}" "${FINPIPE_CARGO}")
file(GLOB sources CONFIGURE_DEPENDS "${source}/src/*.rs")
add_custom_command(
  OUTPUT "${library}"
  COMMAND ${cargo} build --quiet --locked --release --lib
  COMMAND "${CMAKE_COMMAND}" -E touch_nocreate "${library}"
  DEPENDS ${sources} "${source}/Cargo.toml" "${source}/Cargo.lock"
  WORKING_DIRECTORY "${source}"
  COMMENT "Building the Cassandra client"
  VERBATIM)
add_custom_target(finpipe_cql_library DEPENDS "${library}")

add_library(finpipe_cql INTERFACE)
add_dependencies(finpipe_cql finpipe_cql_library)
target_include_directories(finpipe_cql SYSTEM INTERFACE "${source}/include")
target_link_libraries(finpipe_cql INTERFACE
  "${library}" OpenSSL::SSL OpenSSL::Crypto Threads::Threads m ${CMAKE_DL_LIBS})

if(FINPIPE_TESTS AND NOT FINPIPE_SANITIZE)
  # With FINPIPE_CASSANDRA=host:port in the environment it talks to that server too.
  add_test(NAME cassandra_driver_test COMMAND ${cargo} test --quiet --locked --release WORKING_DIRECTORY "${source}")
  set_tests_properties(cassandra_driver_test PROPERTIES LABELS hermetic TIMEOUT 1800)
endif()
