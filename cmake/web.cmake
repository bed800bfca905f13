# Builds the page of web/ beside the C++ code, puts it and the demo's tape into the program (src/app/embedded_files.h),
# and registers the page's tests. Node.js and npm's packages go to ${CMAKE_BINARY_DIR}/web, nothing into the sources.

option(FINPIPE_WEB "Build the page and put it into the program; needs Node.js or the Python package index" ON)

set(finpipe_web_source "${PROJECT_SOURCE_DIR}/web")
set(finpipe_web_dir "${PROJECT_BINARY_DIR}/web")
set(finpipe_web_tool "${PROJECT_SOURCE_DIR}/tools/web.sh")
set(finpipe_embed_tool "${PROJECT_SOURCE_DIR}/tools/embed.py")

# One at a time: its steps share a directory, and the compiler should keep the other cores.
set_property(GLOBAL APPEND PROPERTY JOB_POOLS finpipe_web=1)

# Gives whoever links `target` the functions of src/app/embedded_files.h. `target` itself is not linked to them, or else
# ninja would compile none of its sources before the page is built.
function(finpipe_embed target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TAPE" "")
  set(page "${PROJECT_BINARY_DIR}/generated/app/embedded_page.cpp")
  set(tape "${PROJECT_BINARY_DIR}/generated/app/embedded_tape.cpp")
  add_custom_command(
    OUTPUT "${tape}"
    COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" tape "${tape}" "${arg_TAPE}"
    DEPENDS "${finpipe_embed_tool}" "${arg_TAPE}"
    COMMENT "Embedding the demo's tape"
    VERBATIM)
  if(FINPIPE_WEB)
    finpipe_build_page("${page}")
  else()
    add_custom_command(
      OUTPUT "${page}"
      COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" page "${page}"
      DEPENDS "${finpipe_embed_tool}"
      COMMENT "Leaving the page out"
      VERBATIM)
  endif()
  add_library(finpipe_embedded STATIC "${page}" "${tape}")
  target_link_libraries(finpipe_embedded PRIVATE finpipe_options)
  target_link_libraries(${target} INTERFACE finpipe_embedded)
endfunction()

# The commands that make `output`, the source that embeds the page, and with FINPIPE_TESTS the page's tests.
function(finpipe_build_page output)
  set(packages "${finpipe_web_dir}/packages.stamp")
  add_custom_command(
    OUTPUT "${packages}"
    COMMAND "${finpipe_web_tool}" install "${finpipe_web_dir}" $<IF:$<BOOL:${FINPIPE_TESTS}>,test,run>
    COMMAND "${CMAKE_COMMAND}" -E touch "${packages}"
    DEPENDS "${finpipe_web_tool}" "${finpipe_web_source}/package.json" "${finpipe_web_source}/package-lock.json"
            "${finpipe_web_source}/.npmrc"
    COMMENT "Getting what builds the page"
    JOB_POOL finpipe_web
    VERBATIM)

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${finpipe_web_source}/src/*" "${finpipe_web_source}/public/*")
  list(APPEND sources "${finpipe_web_source}/index.html" "${finpipe_web_source}/vite.config.ts")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${finpipe_web_tool}" build "${finpipe_web_dir}"
    COMMAND Python3::Interpreter -B "${finpipe_embed_tool}" page "${output}" "${finpipe_web_dir}/dist"
    DEPENDS "${packages}" ${sources} "${finpipe_embed_tool}"
    COMMENT "Building the page"
    JOB_POOL finpipe_web
    VERBATIM)

  if(NOT FINPIPE_TESTS)
    return()
  endif()
  file(GLOB tests CONFIGURE_DEPENDS "${finpipe_web_source}/tests/*")
  set(stamp "${finpipe_web_dir}/tests.stamp")
  add_custom_command(
    OUTPUT "${stamp}"
    COMMAND "${finpipe_web_tool}" build-tests "${finpipe_web_dir}"
    COMMAND "${CMAKE_COMMAND}" -E touch "${stamp}"
    DEPENDS "${packages}" ${sources} ${tests} "${finpipe_web_source}/tsconfig.json"
            "${finpipe_web_source}/tests.config.ts"
    COMMENT "Building the page's tests"
    JOB_POOL finpipe_web
    VERBATIM)
  add_custom_target(page_tests ALL DEPENDS "${stamp}")
  # unit: pure parts; page: in Chromium, against a scripted server; live: in Chromium, against the program itself.
  foreach(name unit page live)
    add_test(NAME web_${name} COMMAND "${finpipe_web_tool}" test "${finpipe_web_dir}" ${name})
    set_tests_properties(web_${name} PROPERTIES
      LABELS hermetic
      TIMEOUT 600
      ENVIRONMENT "FINPIPE=${PROJECT_BINARY_DIR}/finpipe;FINPIPE_PAGE=${finpipe_web_dir}/dist")
  endforeach()
endfunction()
