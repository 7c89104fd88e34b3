// The bytes of established connections, and the bounds under load.
#include <fcntl.h>
#include <openssl/rand.h>

#include <ctime>

#include "unit/tls/front_fixture.h"

namespace seaworthy::tls {
namespace {

using namespace seaworthy::testing;  // NOLINT: the fixture and its like

class FrontRelayTest : public FrontFixture {
 protected:
  static std::string Random(std::size_t size) {
    std::string bytes(size, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size));
    return bytes;
  }

  static void MakeNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

  // Writes until the other side takes no more for a while, or `most` bytes.
  static std::size_t WriteUntilStalled(FrontClient& client, std::size_t most) {
    MakeNonBlocking(client.fd());
    const std::string chunk(16 * 1024, 'x');
    std::size_t written = 0;
    while (written < most) {
      const int count = SSL_write(client.ssl(), chunk.data(), static_cast<int>(chunk.size()));
      if (count > 0) {
        written += static_cast<std::size_t>(count);
        continue;
      }
      pollfd writable = {client.fd(), POLLOUT, 0};
      if (poll(&writable, 1, 300) == 0) break;
    }
    return written;
  }

  static double CpuSeconds() {
    timespec time = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
};

// Both ways at once, without waiting on either; true when all came back as sent.
bool Exchange(FrontClient& client, const std::string& sent) {
  fcntl(client.fd(), F_SETFL, fcntl(client.fd(), F_GETFL) | O_NONBLOCK);
  std::string received;
  std::size_t written = 0;
  std::vector<char> buffer(64 * 1024);
  while (received.size() < sent.size()) {
    const int count = SSL_read(client.ssl(), buffer.data(), static_cast<int>(buffer.size()));
    if (count > 0) received.append(buffer.data(), static_cast<std::size_t>(count));
    int put = 0;
    if (written < sent.size()) {
      put = SSL_write(client.ssl(), sent.data() + written,
                      static_cast<int>(std::min<std::size_t>(16'384, sent.size() - written)));
      if (put > 0) written += static_cast<std::size_t>(put);
    }
    if (count > 0 || put > 0) continue;
    const short wanted = written < sent.size() ? POLLIN | POLLOUT : POLLIN;
    pollfd ready = {client.fd(), wanted, 0};
    if (poll(&ready, 1, kPatienceMilliseconds) != 1 || (ready.revents & POLLERR) != 0) return false;
  }
  return received == sent;
}

TEST_F(FrontRelayTest, TenMegabytesEachWay) {
  StartFront();
  const auto client = Client(Good());
  ASSERT_TRUE(client->connected());
  SSL_set_mode(client->ssl(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  EXPECT_TRUE(Exchange(*client, Random(10 * 1024 * 1024)));
}

TEST_F(FrontRelayTest, ManyClientsAtOnce) {
  StartFront();
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        const auto client = Client(Good());
        SSL_set_mode(client->ssl(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (client->Echo() && Exchange(*client, Random(256 * 1024))) ++good;
      });
    }
  }
  EXPECT_EQ(good, 16);
}

TEST_F(FrontRelayTest, ASlowReaderSlowsTheWriterAndLosesNothing) {
  echo_ = false;
  StartFront();
  const auto client = Client(Good());
  SSL_set_mode(client->ssl(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  const UniqueFd local = NextLocal();
  ASSERT_TRUE(local);
  // What the kernel's socket buffers take, and two of 64 KiB of ours.
  const std::size_t written = WriteUntilStalled(*client, std::size_t{64} * 1024 * 1024);
  EXPECT_GT(written, std::size_t{64} * 1024);
  EXPECT_LT(written, std::size_t{32} * 1024 * 1024);
  std::size_t read = 0;
  std::vector<char> buffer(64 * 1024);
  while (read < written) {
    pollfd readable = {local.get(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, kPatienceMilliseconds), 1);
    const ssize_t count = recv(local.get(), buffer.data(), buffer.size(), 0);
    ASSERT_GT(count, 0);
    read += static_cast<std::size_t>(count);
    // What was begun must be ended for the last record to arrive.
    SSL_write(client->ssl(), "", 0);
  }
  EXPECT_GE(read, written);
}

TEST_F(FrontRelayTest, ClientEndsFirstAndStillHearsTheRest) {
  echo_ = false;
  StartFront();
  const auto client = Client(Good());
  ASSERT_TRUE(client->Write("question"));
  SSL_shutdown(client->ssl());
  const UniqueFd local = NextLocal();
  char text[32] = {};
  ASSERT_EQ(recv(local.get(), text, sizeof(text), MSG_WAITALL), 8);  // up to the end
  EXPECT_STREQ(text, "question");
  const std::string answer = Random(200'000);
  std::jthread writer([&] {
    send(local.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    shutdown(local.get(), SHUT_WR);
  });
  EXPECT_EQ(client->Read(answer.size() + 1), answer);
  EXPECT_TRUE(client->EndedCleanly());
}

TEST_F(FrontRelayTest, OwnerEndsFirstAndStillHearsTheRest) {
  echo_ = false;
  StartFront();
  const auto client = Client(Good());
  const UniqueFd local = NextLocal();
  ASSERT_EQ(send(local.get(), "bye", 3, 0), 3);
  shutdown(local.get(), SHUT_WR);
  EXPECT_EQ(client->Read(100), "bye");
  EXPECT_TRUE(client->EndedCleanly());
  ASSERT_TRUE(client->Write("last words"));
  SSL_shutdown(client->ssl());
  char text[32] = {};
  EXPECT_EQ(recv(local.get(), text, sizeof(text), MSG_WAITALL), 10);
}

TEST_F(FrontRelayTest, EitherSideGoneEndsTheOther) {
  echo_ = false;
  StartFront();
  auto client = Client(Good());
  UniqueFd local = NextLocal();
  client.reset();
  char byte = 0;
  EXPECT_EQ(recv(local.get(), &byte, 1, 0), 0);
  client = Client(Good());
  local = NextLocal();
  local.reset();
  EXPECT_EQ(client->Read(1), "");
  EXPECT_TRUE(client->EndedCleanly());
}

// The first bytes to a closed socket are answered with a reset, the next raise SIGPIPE.
TEST_F(FrontRelayTest, WritingToAClientThatWentAwayHurtsNobody) {
  echo_ = false;
  StartFront();
  auto client = Client(Good());
  UniqueFd local = NextLocal();
  ASSERT_EQ(send(local.get(), "hello", 5, 0), 5);
  ASSERT_EQ(client->Read(5), "hello");
  SSL_shutdown(client->ssl());
  char byte = 0;
  ASSERT_EQ(recv(local.get(), &byte, 1, 0), 0);
  client.reset();
  const std::string text(100'000, 'x');
  while (send(local.get(), text.data(), text.size(), MSG_NOSIGNAL) > 0) {
  }
  client = Client(Good());
  local = NextLocal();
  ASSERT_EQ(send(local.get(), "well", 4, 0), 4);
  EXPECT_EQ(client->Read(4), "well");
}

TEST_F(FrontRelayTest, WaitingCostsNoProcessorTime) {
  echo_ = false;
  StartFront();
  const UniqueFd silent = TcpConnect(front_->port());
  const UniqueFd stalled = TcpConnect(front_->port());
  ASSERT_EQ(send(stalled.get(), "\x16\x03\x01", 3, 0), 3);
  const auto idle = Client(Good());
  const UniqueFd idle_local = NextLocal();
  const auto client_ended = Client(Good());
  const UniqueFd client_ended_local = NextLocal();
  SSL_shutdown(client_ended->ssl());
  const auto owner_ended = Client(Good());
  const UniqueFd owner_ended_local = NextLocal();
  shutdown(owner_ended_local.get(), SHUT_WR);
  // Nobody reads what these sent; the second then goes away, which epoll reports over and over.
  const auto full = Client(Good());
  const UniqueFd full_local = NextLocal();
  auto gone = Client(Good());
  const UniqueFd gone_local = NextLocal();
  for (FrontClient* client : {full.get(), gone.get()}) {
    SSL_set_mode(client->ssl(),
                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    WriteUntilStalled(*client, std::size_t{64} * 1024 * 1024);
  }
  const linger reset = {1, 0};
  setsockopt(gone->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  gone.reset();
  const double before = CpuSeconds();
  poll(nullptr, 0, 400);
  EXPECT_LT(CpuSeconds() - before, 0.1);
}

class FrontLoadTest : public FrontRelayTest {};

TEST_F(FrontLoadTest, ThoseWhoSendNothingHoldUpNobody) {
  Front::Limits limits = Generous();
  limits.handshake_threads = 1;
  StartFront(limits);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(TcpConnect(front_->port()));
    ASSERT_TRUE(idle.back());
    // A quarter begins a handshake and never goes on.
    if (i % 4 == 0) {
      ASSERT_EQ(send(idle.back().get(), "\x16\x03\x01\x02", 4, 0), 4);
    }
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(Client(Good())->Echo());
  EXPECT_LT(std::chrono::steady_clock::now() - start, limits.handshake_timeout / 2);
}

TEST_F(FrontLoadTest, HandshakesHaveADeadline) {
  Front::Limits limits = Generous();
  limits.handshake_timeout = std::chrono::milliseconds(200);
  StartFront(limits);
  const UniqueFd silent = TcpConnect(front_->port());
  EXPECT_TRUE(ClosedWithoutAByte(silent.get()));
  EXPECT_EQ(NextRefusal(), "HANDSHAKE_TIMEOUT");
  const UniqueFd stalled = TcpConnect(front_->port());
  ASSERT_EQ(send(stalled.get(), "\x16\x03\x01", 3, 0), 3);
  EXPECT_TRUE(ClosedWithoutAByte(stalled.get()));
  EXPECT_EQ(NextRefusal(), "HANDSHAKE_TIMEOUT");
  // An established connection has none.
  const auto client = Client(Good());
  ASSERT_TRUE(client->Echo());
  const UniqueFd another = TcpConnect(front_->port());
  EXPECT_TRUE(ClosedWithoutAByte(another.get()));
  EXPECT_TRUE(client->Echo());
}

TEST_F(FrontLoadTest, HandshakesPerSourceAreLimited) {
  Front::Limits limits = Generous();
  limits.handshakes_per_second_per_source = 0.01;
  StartFront(limits);
  EXPECT_TRUE(Client(Good())->Echo());
  const UniqueFd refused = TcpConnect(front_->port());
  ASSERT_EQ(send(refused.get(), "\x16", 1, 0), 1);
  EXPECT_TRUE(ClosedWithoutAByte(refused.get()));
  EXPECT_EQ(NextRefusal(), "HANDSHAKE_RATE");
  ClientOptions elsewhere = Good();
  elsewhere.source = "127.0.0.2";
  EXPECT_TRUE(Client(elsewhere)->Echo());
}

TEST_F(FrontLoadTest, ConnectionsPerSourceAreLimited) {
  Front::Limits limits = Generous();
  limits.connections_per_source = 2;
  limits.connections = 3;
  StartFront(limits);
  auto first = Client(Good());
  ASSERT_TRUE(first->Echo());
  const auto second = Client(Good());
  ASSERT_TRUE(second->Echo());
  EXPECT_TRUE(ClosedWithoutAByte(TcpConnect(front_->port()).get()));
  EXPECT_EQ(NextRefusal(), "TOO_MANY_CONNECTIONS");
  const UniqueFd other = TcpConnect(front_->port(), "127.0.0.2");
  EXPECT_TRUE(ClosedWithoutAByte(TcpConnect(front_->port(), "127.0.0.3").get()));
  // A place that becomes free can be had again.
  SSL_shutdown(first->ssl());
  first.reset();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!Client(Good())->Echo()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST_F(FrontLoadTest, StopAcceptingKeepsWhatIsEstablished) {
  StartFront();
  const auto client = Client(Good());
  ASSERT_TRUE(client->Echo());
  front_->StopAccepting();
  EXPECT_FALSE(TcpConnect(front_->port()));
  EXPECT_TRUE(client->Echo());
  front_->StopAccepting();  // again is nothing
  front_.reset();
  EXPECT_FALSE(client->Echo());
}

TEST_F(FrontLoadTest, RefusesABadAddressAndAPortInUse) {
  StartFront();
  Front::Options options;
  options.connect = [](const ClientIdentity&) { return UniqueFd(); };
  options.listen = "nowhere";
  EXPECT_THAT(Front::Start(options, Credentials()),
              Fails(Code::kInvalidArgument, "INVALID_LISTEN_ADDRESS"));
  options.listen = "127.0.0.1:" + std::to_string(front_->port());
  EXPECT_FALSE(Front::Start(options, Credentials()).ok());
  options.limits.handshake_threads = 0;
  EXPECT_THAT(Front::Start(options, Credentials()),
              Fails(Code::kInvalidArgument, "INVALID_LIMITS"));
}

}  // namespace
}  // namespace seaworthy::tls
