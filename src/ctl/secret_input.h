// Secrets as they come from a person or a script: never as an argument or in the environment, where
// other programs see them.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "ctl/terminal.h"
#include "seaworthy/secret_bytes.h"

namespace seaworthy::ctl {

// Asks on the terminal, whose echo is off meanwhile. With `twice` it is asked for again, and both
// must be the same. The error is one of usage.
Result<SecretBytes> AskSecret(Terminal& terminal, const std::string& what, bool twice);

// The next line of standard input, without its end.
Result<SecretBytes> ReadSecretLine(Terminal& terminal, const std::string& what);

// The content of a file. `line`: a text's only line, without its end; otherwise all bytes, as
// cryptsetup takes a key file.
Result<SecretBytes> ReadSecretFile(const std::string& path, bool line);

// Overwrites the bytes fields of a message, in which secrets travel, when it goes.
class CleansedAtEnd {
 public:
  explicit CleansedAtEnd(google::protobuf::Message& message) : message_(message) {}
  ~CleansedAtEnd() { Cleanse(message_); }
  CleansedAtEnd(const CleansedAtEnd&) = delete;
  CleansedAtEnd& operator=(const CleansedAtEnd&) = delete;

  static void Cleanse(google::protobuf::Message& message);

 private:
  google::protobuf::Message& message_;
};

// Overwrites a secret and empties its string.
void Cleanse(std::string& secret);

}  // namespace seaworthy::ctl
