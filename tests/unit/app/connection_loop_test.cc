#include "app/connection_loop.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <future>
#include <semaphore>
#include <vector>

#include "app/local_socket.h"
#include "support/status_matchers.h"
#include "support/temp_root.h"

namespace seaworthy::app {
namespace {

using std::chrono::seconds;
using testing::IsOk;

UniqueFd Connect(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// The connections the loop handed out, for a test to wait for.
class Accepted {
 public:
  void Add(UniqueFd fd) {
    const std::lock_guard lock(mutex_);
    connections_.push_back(std::move(fd));
    changed_.notify_all();
  }
  bool WaitFor(std::size_t count, std::chrono::milliseconds time = seconds(20)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return connections_.size() >= count; });
  }
  void CloseFirst() {
    const std::lock_guard lock(mutex_);
    // As gRPC does it: the loop's duplicate keeps the socket itself open.
    shutdown(connections_.front().get(), SHUT_RDWR);
    connections_.front().reset();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<UniqueFd> connections_;
};

class ConnectionLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<UniqueFd> listener = ListenLocal(path_, {});
    ASSERT_THAT(listener, IsOk());
    Result<std::unique_ptr<ConnectionLoop>> loop = ConnectionLoop::Start();
    ASSERT_THAT(loop, IsOk());
    loop_ = *std::move(loop);
    ASSERT_THAT(loop_->Listen(*std::move(listener), 2,
                              [this](UniqueFd fd) { accepted_.Add(std::move(fd)); }),
                IsOk());
  }

  testing::TempRoot root_;
  const std::string path_ = root_ / "d/s";
  Accepted accepted_;
  std::unique_ptr<ConnectionLoop> loop_;
};

TEST_F(ConnectionLoopTest, ConnectionsBeyondTheCapWaitUntilTheServerEndsOne) {
  const UniqueFd first = Connect(path_);
  const UniqueFd second = Connect(path_);
  const UniqueFd third = Connect(path_);
  ASSERT_TRUE(accepted_.WaitFor(2));
  EXPECT_FALSE(accepted_.WaitFor(3, std::chrono::milliseconds(100)));
  accepted_.CloseFirst();
  EXPECT_TRUE(accepted_.WaitFor(3));
}

TEST_F(ConnectionLoopTest, ConnectionsBeyondTheCapWaitUntilAClientLeaves) {
  UniqueFd first = Connect(path_);
  const UniqueFd second = Connect(path_);
  const UniqueFd third = Connect(path_);
  ASSERT_TRUE(accepted_.WaitFor(2));
  first.reset();
  EXPECT_TRUE(accepted_.WaitFor(3));
}

TEST_F(ConnectionLoopTest, TellsOnceThatAConnectionIsGone) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  std::promise<void> gone;  // a second set_value would throw
  ASSERT_THAT(loop_->Watch(theirs.get(), [&] { gone.set_value(); }), IsOk());
  ASSERT_TRUE(loop_->Answers(DeadlineIn(seconds(20))));
  ours.reset();
  EXPECT_EQ(gone.get_future().wait_for(seconds(20)), std::future_status::ready);
  EXPECT_TRUE(loop_->Answers(DeadlineIn(seconds(20))));
}

// A wake-up that comes while the thread is still busy with the round of the one before.
TEST_F(ConnectionLoopTest, LosesNoWakeUp) {
  const std::string path = root_ / "slow/s";
  Result<UniqueFd> listener = ListenLocal(path, {});
  ASSERT_THAT(listener, IsOk());
  std::counting_semaphore<> entered(0);
  std::counting_semaphore<> go_on(0);
  ASSERT_THAT(loop_->Listen(*std::move(listener), 2,
                            [&](UniqueFd) {
                              entered.release();
                              go_on.acquire();
                            }),
              IsOk());
  const UniqueFd first = Connect(path);
  entered.acquire();
  // Both are events of the next round, the connection first.
  const UniqueFd second = Connect(path);
  EXPECT_FALSE(loop_->Answers(DeadlineIn(seconds(0))));
  go_on.release();
  entered.acquire();
  std::future<bool> answers =
      std::async(std::launch::async, [&] { return loop_->Answers(DeadlineIn(seconds(5))); });
  EXPECT_EQ(answers.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  go_on.release();
  EXPECT_TRUE(answers.get());
}

TEST_F(ConnectionLoopTest, GoesOnWhenDescriptorsRanOut) {
  const UniqueFd first = Connect(path_);
  ASSERT_TRUE(accepted_.WaitFor(1));
  const UniqueFd waiting(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit usual = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
  rlimit none = usual;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(waiting.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  EXPECT_FALSE(accepted_.WaitFor(2, std::chrono::milliseconds(250)));
  EXPECT_TRUE(loop_->Answers(DeadlineIn(seconds(20))));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
  EXPECT_TRUE(accepted_.WaitFor(2));
}

TEST_F(ConnectionLoopTest, ListensNoMoreWhenTold) {
  loop_->StopListening();
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_NE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

}  // namespace
}  // namespace seaworthy::app
