// A list that only grows, in blocks: no element ever moves to make room for more, and no block is so large that an
// allocator would ask the system for it and give it back each time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

namespace finpipe {

template <typename T>
class BlockList {
 public:
  static constexpr std::size_t kPerBlock = std::max<std::size_t>(1, (std::size_t{64} << 10) / sizeof(T));

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Iterator(const BlockList& list, std::size_t at) : list_(&list), at_(at) {}
    const T& operator*() const { return list_->blocks_[at_ / kPerBlock][at_ % kPerBlock]; }
    const T* operator->() const { return &**this; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) { return std::exchange(*this, Iterator(*list_, at_ + 1)); }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    const BlockList* list_ = nullptr;
    std::size_t at_ = 0;
  };

  BlockList() = default;
  BlockList(std::initializer_list<T> values) : BlockList(std::vector<T>(values)) {}
  BlockList(const std::vector<T>& values) {
    for (const T& value : values) push_back(value);
  }

  T& push_back(T value) {
    if (blocks_.empty() || blocks_.back().size() == kPerBlock) {
      const bool first = blocks_.empty();
      auto& block = blocks_.emplace_back();
      if (!first) block.reserve(kPerBlock);  // a first one may be the only one, and small
    }
    return blocks_.back().emplace_back(std::move(value));
  }

  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  [[nodiscard]] std::size_t size() const {
    return blocks_.empty() ? 0 : (blocks_.size() - 1) * kPerBlock + blocks_.back().size();
  }
  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, size()}; }

 private:
  std::vector<std::vector<T>> blocks_;
};

}  // namespace finpipe
