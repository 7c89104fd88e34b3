// What every command has at hand: the daemon, the terminal and the form answers take.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <string>

#include "ctl/client.h"
#include "ctl/outcome.h"
#include "ctl/terminal.h"
#include "ctl/text.h"
#include "seaworthy/bytes.h"
#include "seaworthy/verify.h"

namespace seaworthy::ctl {

enum class Format { kText, kJson };

class Session {
 public:
  Session(Connection connection, Format format, Terminal& terminal)
      : client_(std::move(connection)), format_(format), terminal_(terminal) {}

  Client& client() { return client_; }
  Terminal& terminal() { return terminal_; }
  bool json() const { return format_ == Format::kJson; }
  Style style() const { return {terminal_.colour}; }

  // The command's answer on standard output: the message as JSON, or `text`.
  void Answer(const google::protobuf::Message& message, const std::string& text);

  // One of many answers, seen at once by a reader at the other end of a pipe; JSON is one line.
  // Whether there is such a reader still.
  bool AnswerPart(const google::protobuf::Message& message, const std::string& text);

  // Puts a command's product, for example a CSR, where the user wants it. Without a file it is
  // itself the text; with one, the text says that `what` was written. JSON is the message
  // either way.
  Outcome Deliver(const google::protobuf::Message& message, const std::string& file,
                  ByteView product, const std::string& shown, const std::string& what);

  // Asks the person at the terminal whether to; without one, `yes` must have been given. OK or why
  // not.
  Outcome Confirm(bool yes, const std::string& question);

  // A verdict on standard output; its exit code.
  Outcome Tell(const verify::Verdict& verdict);

 private:
  Client client_;
  const Format format_;
  Terminal& terminal_;
};

}  // namespace seaworthy::ctl
