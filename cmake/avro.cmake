# Generates the structs and codecs of the Avro schemas into ${CMAKE_BINARY_DIR}/generated/codec/<schema>_avro.h, to be
# included as "codec/<schema>_avro.h". A new schemas/*.avsc or schemas/store/*.avsc needs no edit here.

# To be called in the directory that defines `target`; whoever links the target sees the headers.
function(finpipe_generate_avro target)
  set(output "${PROJECT_BINARY_DIR}/generated")
  set(tools "${PROJECT_SOURCE_DIR}/tools")
  set(source "${PROJECT_SOURCE_DIR}/schemas")
  file(GLOB schemas CONFIGURE_DEPENDS "${source}/*.avsc" "${source}/store/*.avsc")
  set(headers "${output}/codec/shared_avro.h")
  foreach(schema IN LISTS schemas)
    cmake_path(GET schema STEM name)
    list(APPEND headers "${output}/codec/${name}_avro.h")
  endforeach()
  add_custom_command(
    OUTPUT ${headers}
    COMMAND Python3::Interpreter -B "${tools}/avro_codegen.py" --output "${output}/codec" ${schemas}
    DEPENDS ${schemas} "${tools}/avro_codegen.py" "${tools}/avro_schema.py"
    COMMENT "Generating codecs from the Avro schemas"
    VERBATIM)
  target_sources(${target} PRIVATE ${headers})
  target_include_directories(${target} PUBLIC "${output}")
endfunction()
