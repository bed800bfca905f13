// Things of a C library that are freed by a function of it.
#pragma once

#include <memory>

namespace finpipe::kafka {

template <auto free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};

template <typename T, auto free>
using Owned = std::unique_ptr<T, Freed<free>>;

}  // namespace finpipe::kafka
