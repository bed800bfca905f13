# Vendors' libraries, all from Debian 12 packages (tools/packages.sh names them). The CMake packages of RocksDB and
# prometheus-cpp ask for the development files of libraries that the parts used here do not need, so these two are linked
# by their plain names instead, as is librdkafka, which has none.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(date REQUIRED)
find_package(CLI11 REQUIRED)
find_library(FINPIPE_ROCKSDB rocksdb REQUIRED)
find_library(FINPIPE_PROMETHEUS prometheus-cpp-core REQUIRED)
find_library(FINPIPE_RDKAFKA rdkafka REQUIRED)
mark_as_advanced(FINPIPE_ROCKSDB FINPIPE_PROMETHEUS FINPIPE_RDKAFKA)

# Asio and Beast are headers; what of them is no template is compiled once, in src/net/*_source.cpp.
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
add_library(finpipe_asio INTERFACE)
target_link_libraries(finpipe_asio INTERFACE Boost::headers OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
target_compile_definitions(finpipe_asio INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_VISIBILITY)
if(FINPIPE_SANITIZE MATCHES "thread")
  # ThreadSanitizer does not know fences; the locks that Asio has besides are enough.
  target_compile_definitions(finpipe_asio INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

# The system's Python first: code generators and test scripts need only its standard library.
if(NOT DEFINED Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python3_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "Python for code generators and test scripts")
endif()
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)

if(FINPIPE_TESTS)
  find_package(GTest REQUIRED)
  enable_testing()
endif()
if(FINPIPE_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
