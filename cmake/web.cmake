# Builds the page of web/ beside the C++ code, puts it and the demo's tape into the program (src/app/embedded_files.h),
# and registers the page's tests. Node.js and npm's packages go to ${CMAKE_BINARY_DIR}/web, nothing into the sources.

option(FINPIPE_WEB "Build the page and put it into the program; needs Node.js or the Python package index" ON)

set(finpipe_embed_tool "${PROJECT_SOURCE_DIR}/tools/embed.py")
set(finpipe_embedded_page "${PROJECT_BINARY_DIR}/generated/app/embedded_page.cpp")

# Gives whoever links `target` the functions of src/app/embedded_files.h. `target` itself is not linked to them, or else
# ninja would compile none of its sources before the page is built.
function(finpipe_embed target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TAPE" "")
  set(tape "${PROJECT_BINARY_DIR}/generated/app/embedded_tape.cpp")
  add_custom_command(
    OUTPUT "${tape}"
    COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" tape "${tape}" "${arg_TAPE}"
    DEPENDS "${finpipe_embed_tool}" "${arg_TAPE}"
    COMMENT "Embedding the demo's tape"
    VERBATIM)
  add_library(finpipe_embedded STATIC "${finpipe_embedded_page}" "${tape}")
  set_source_files_properties("${finpipe_embedded_page}" PROPERTIES GENERATED ON)
  add_dependencies(finpipe_embedded finpipe_page)
  target_link_libraries(finpipe_embedded PRIVATE finpipe_options)
  target_link_libraries(${target} INTERFACE finpipe_embedded)
endfunction()

# The target finpipe_page, which makes the source that embeds the page, and with FINPIPE_TESTS the page's tests. To be
# called at the root, before any subdirectory: ninja starts in that order what can start, and fetching packages should
# not wait for the compiler.
function(finpipe_build_page)
  set(source "${PROJECT_SOURCE_DIR}/web")
  set(dir "${PROJECT_BINARY_DIR}/web")
  set(tool "${PROJECT_SOURCE_DIR}/tools/web.sh")
  set(packages "${dir}/packages.stamp")
  # One at a time: the steps share a directory.
  set_property(GLOBAL APPEND PROPERTY JOB_POOLS finpipe_web=1)

  add_custom_command(
    OUTPUT "${packages}"
    COMMAND "${tool}" install "${dir}" $<IF:$<BOOL:${FINPIPE_TESTS}>,test,run>
    COMMAND "${CMAKE_COMMAND}" -E touch "${packages}"
    DEPENDS "${tool}" "${source}/package.json" "${source}/package-lock.json" "${source}/.npmrc"
    COMMENT "Getting what builds the page"
    JOB_POOL finpipe_web
    VERBATIM)

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${source}/src/*" "${source}/public/*")
  list(APPEND sources "${source}/index.html" "${source}/vite.config.ts")
  add_custom_command(
    OUTPUT "${finpipe_embedded_page}"
    COMMAND "${tool}" build "${dir}"
    COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" page "${finpipe_embedded_page}" "${dir}/dist"
    DEPENDS "${packages}" ${sources} "${finpipe_embed_tool}"
    COMMENT "Building the page"
    JOB_POOL finpipe_web
    VERBATIM)
  add_custom_target(finpipe_page DEPENDS "${finpipe_embedded_page}")
  if(NOT FINPIPE_TESTS)
    return()
  endif()

  file(GLOB tests CONFIGURE_DEPENDS "${source}/tests/*")
  set(stamp "${dir}/tests.stamp")
  add_custom_command(
    OUTPUT "${stamp}"
    COMMAND "${tool}" build-tests "${dir}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
    DEPENDS "${packages}" ${sources} ${tests} "${source}/tsconfig.json" "${source}/tests.config.ts"
    COMMENT "Building the page's tests"
    JOB_POOL finpipe_web
    VERBATIM)
  add_custom_target(page_tests ALL DEPENDS "${stamp}" "${finpipe_embedded_page}")
  # unit: pure parts; page: in Chromium, against a scripted server; live: in Chromium, against the program itself.
  foreach(name unit page live)
    add_test(NAME web_${name} COMMAND "${tool}" test "${dir}" ${name})
    set_tests_properties(web_${name} PROPERTIES
      LABELS hermetic
      TIMEOUT 600
      ENVIRONMENT "FINPIPE=${PROJECT_BINARY_DIR}/finpipe;FINPIPE_PAGE=${dir}/dist")
  endforeach()
endfunction()

# The target finpipe_page where there is no page: a source that embeds none.
function(finpipe_leave_page_out)
  add_custom_command(
    OUTPUT "${finpipe_embedded_page}"
    COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" page "${finpipe_embedded_page}"
    DEPENDS "${finpipe_embed_tool}"
    COMMENT "Leaving the page out"
    VERBATIM)
  add_custom_target(finpipe_page DEPENDS "${finpipe_embedded_page}")
endfunction()

if(FINPIPE_APP AND FINPIPE_WEB)
  finpipe_build_page()
elseif(FINPIPE_APP)
  finpipe_leave_page_out()
endif()
