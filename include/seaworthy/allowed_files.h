// A policy's part "ima", made ready to be asked of files, without a quote.
#pragma once

#include <memory>
#include <optional>

#include "seaworthy/ima_list.h"
#include "seaworthy/policy.h"
#include "seaworthy/verify.h"

namespace seaworthy::verify {

// Const and thread-safe.
class AllowedFiles {
 public:
  // INVALID_ARGUMENT (IMA_KEY_MALFORMED) for a key of the policy that is none.
  static Result<AllowedFiles> Create(ImaPolicy policy);
  AllowedFiles(AllowedFiles&&) noexcept;
  AllowedFiles& operator=(AllowedFiles&&) noexcept;
  ~AllowedFiles();

  // What the verifier would find wrong with a file that was measured; nothing when the policy
  // allows it. Of violations and the boot aggregate it says nothing.
  std::optional<Finding> Judge(const ImaFields& fields) const;

 private:
  struct Ready;
  explicit AllowedFiles(std::unique_ptr<Ready> ready);
  std::unique_ptr<Ready> ready_;
};

}  // namespace seaworthy::verify
