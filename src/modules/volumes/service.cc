// VolumeService over gRPC: messages to calls of Volumes and back.
#include <grpcpp/grpcpp.h>

#include "modules/volumes/service_messages.h"
#include "seaworthy/modules/volumes.h"
#include "seaworthy/modules/volumes/envelope.h"
#include "seaworthy/rpc/serve.h"
#include "seaworthy/rpc/stream_deadline.h"
#include "seaworthy/rpc/tpm_messages.h"
#include "seaworthy/status_macros.h"
#include "seaworthy/v1/volume.grpc.pb.h"

namespace seaworthy::volumes {
namespace {

using rpc::Call;

constexpr std::size_t kPart = std::size_t{256} << 10;

// A recovery key that nobody could read would be lost: certificates are tried before it is made.
Status CheckCertificates(const std::string& pem) {
  if (pem.empty()) return {};
  return Envelop(AsBytes("tried"), pem).status();
}

// Shown, or in an envelope.
template <class Message>
Status TellRecoveryKey(const SecretBytes& key, const std::string& certificates, Message& message) {
  if (key.empty()) return {};
  if (certificates.empty()) {
    message.set_recovery_key(key.data(), key.size());
    return {};
  }
  ASSIGN_OR_RETURN(*message.mutable_recovery_key_cms_pem(), WrapRecoveryKey(key, certificates));
  return {};
}

class Service final : public v1::VolumeService::Service {
 public:
  Service(Volumes& volumes, const rpc::Gate& gate) : volumes_(volumes), gate_(gate) {}

  grpc::Status ListVolumes(grpc::ServerContext* context, const v1::ListVolumesRequest*,
                           v1::ListVolumesResponse* response) override {
    return Serve(context, "ListVolumes", "", [&](const Call& call) -> Status {
      ASSIGN_OR_RETURN(const std::vector<Volume> volumes, volumes_.List(call.deadline));
      for (const Volume& volume : volumes) ToMessage(volume, *response->add_volumes());
      return {};
    });
  }

  grpc::Status GetVolume(grpc::ServerContext* context, const v1::GetVolumeRequest* request,
                         v1::Volume* response) override {
    return Serve(context, "GetVolume", request->name(), [&](const Call& call) -> Status {
      return Tell(volumes_.Get(call.deadline, request->name()), *response);
    });
  }

  grpc::Status FormatVolume(grpc::ServerContext* context, const v1::FormatVolumeRequest* request,
                            v1::FormatVolumeResponse* response) override {
    return Serve(context, "FormatVolume", request->name(), [&](const Call& call) -> Status {
      NewVolume wanted;
      wanted.entry = EntryOf(request->name(), request->device(), request->open_at_start(),
                             request->mapping_options());
      wanted.label = request->label();
      wanted.destroy = request->destroy();
      wanted.sector_size = request->sector_size();
      ASSIGN_OR_RETURN(wanted.ways_in, FromMessage(request->ways_in()));
      RETURN_IF_ERROR(CheckCertificates(request->recovery_certificates_pem()));
      ASSIGN_OR_RETURN(const EnrolledVolume made, volumes_.Format(call.deadline, wanted));
      ToMessage(made.volume, *response->mutable_volume());
      return TellRecoveryKey(made.recovery_key, request->recovery_certificates_pem(), *response);
    });
  }

  grpc::Status EnrolVolume(grpc::ServerContext* context, const v1::EnrolVolumeRequest* request,
                           v1::EnrolVolumeResponse* response) override {
    return Serve(context, "EnrolVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      Volumes::Enrolment wanted;
      wanted.entry = EntryOf(request->name(), request->device(), request->open_at_start(),
                             request->mapping_options());
      ASSIGN_OR_RETURN(wanted.ways_in, FromMessage(request->ways_in()));
      wanted.add_recovery_key = request->add_recovery_key();
      wanted.replace_clevis = request->replace_clevis();
      RETURN_IF_ERROR(CheckCertificates(request->recovery_certificates_pem()));
      ASSIGN_OR_RETURN(const EnrolledVolume made, volumes_.Enrol(call.deadline, wanted, secret));
      ToMessage(made.volume, *response->mutable_volume());
      return TellRecoveryKey(made.recovery_key, request->recovery_certificates_pem(), *response);
    });
  }

  grpc::Status ForgetVolume(grpc::ServerContext* context, const v1::ForgetVolumeRequest* request,
                            v1::ForgetVolumeResponse*) override {
    return Serve(context, "ForgetVolume", request->name(),
                 [&](const Call& call) { return volumes_.Forget(call.deadline, request->name()); });
  }

  grpc::Status TestVolume(grpc::ServerContext* context, const v1::TestVolumeRequest* request,
                          v1::VolumeTest* response) override {
    return Serve(context, "TestVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      return Tell(volumes_.Test(call.deadline, request->name(), secret), *response);
    });
  }

  grpc::Status OpenVolume(grpc::ServerContext* context, const v1::OpenVolumeRequest* request,
                          v1::OpenVolumeResponse* response) override {
    return Serve(context, "OpenVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      ASSIGN_OR_RETURN(const Volumes::Opened opened,
                       volumes_.Open(call.deadline, request->name(), secret));
      response->set_mapping(opened.mapping);
      response->set_was_open(opened.was_open);
      return {};
    });
  }

  grpc::Status CloseVolume(grpc::ServerContext* context, const v1::CloseVolumeRequest* request,
                           v1::CloseVolumeResponse* response) override {
    return Serve(context, "CloseVolume", request->name(), [&](const Call& call) -> Status {
      ASSIGN_OR_RETURN(const bool was_open,
                       volumes_.Close(call.deadline, request->name(), request->deferred()));
      response->set_was_open(was_open);
      return {};
    });
  }

  grpc::Status AddWayIn(grpc::ServerContext* context, const v1::AddWayInRequest* request,
                        v1::AddWayInResponse* response) override {
    return Serve(context, "AddWayIn", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      const std::string& certificates = request->recovery_key().certificates_pem();
      RETURN_IF_ERROR(CheckCertificates(certificates));
      ASSIGN_OR_RETURN(const EnrolledVolume added, Add(call, *request, secret));
      ToMessage(added.volume, *response->mutable_volume());
      response->set_keyslot(added.keyslot);
      return TellRecoveryKey(added.recovery_key, certificates, *response);
    });
  }

  grpc::Status RemoveWayIn(grpc::ServerContext* context, const v1::RemoveWayInRequest* request,
                           v1::Volume* response) override {
    return Serve(context, "RemoveWayIn", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      return Tell(volumes_.Remove(call.deadline, request->name(), secret, request->keyslot()),
                  *response);
    });
  }

  grpc::Status RotateVolume(grpc::ServerContext* context, const v1::RotateVolumeRequest* request,
                            v1::Volume* response) override {
    return Serve(context, "RotateVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      return Tell(volumes_.Rotate(call.deadline, request->name(), secret), *response);
    });
  }

  grpc::Status RekeyVolume(grpc::ServerContext* context, const v1::RekeyVolumeRequest* request,
                           v1::RekeyVolumeResponse* response) override {
    return Serve(context, "RekeyVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      const auto show = [&](const SecretBytes& key) {
        return TellRecoveryKey(key, request->recovery_certificates_pem(), *response);
      };
      return Tell(volumes_.RekeyAll(call.deadline, request->name(), secret, show),
                  *response->mutable_volume());
    });
  }

  grpc::Status ReencryptVolume(grpc::ServerContext* context,
                               const v1::ReencryptVolumeRequest* request,
                               grpc::ServerWriter<v1::ReencryptionProgress>* writer) override {
    return Serve(context, "ReencryptVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      // A client that the recovery key does not reach must not lose the volume by it.
      const auto show = [&](const SecretBytes& key) -> Status {
        v1::ReencryptionProgress first;
        RETURN_IF_ERROR(TellRecoveryKey(key, request->recovery_certificates_pem(), first));
        return writer->Write(first) ? Status()
                                    : Fail(Code::kCancelled, "CLIENT_GONE", "the client has gone");
      };
      const auto progress = [&](std::uint64_t done, std::uint64_t bytes) {
        v1::ReencryptionProgress message;
        message.set_done_bytes(done);
        message.set_bytes(bytes);
        return !context->IsCancelled() && writer->Write(message);
      };
      return volumes_.Reencrypt(call.deadline, request->name(), secret, show, progress);
    });
  }

  grpc::Status RefreshVolume(grpc::ServerContext* context, const v1::RefreshVolumeRequest* request,
                             v1::RefreshVolumeResponse* response) override {
    return Serve(context, "RefreshVolume", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      const Volumes::RefreshOptions options{request->keep_old(), request->unexplained(),
                                            TakeSecret(request->pin())};
      ASSIGN_OR_RETURN(const Refresh done,
                       volumes_.RefreshPolicy(call.deadline, request->name(), secret, options));
      ToMessage(done.volume, *response->mutable_volume());
      response->mutable_differences()->Assign(done.differences.begin(), done.differences.end());
      response->mutable_added()->Assign(done.added.begin(), done.added.end());
      response->mutable_removed()->Assign(done.removed.begin(), done.removed.end());
      return {};
    });
  }

  grpc::Status PredictUpdate(grpc::ServerContext* context, const v1::PredictUpdateRequest* request,
                             v1::PredictUpdateResponse* response) override {
    return Serve(context, "PredictUpdate", "", [&](const Call& call) -> Status {
      ASSIGN_OR_RETURN(const tpm::PcrSelection pcrs, rpc::FromMessage(request->pcrs(), "pcrs"));
      ASSIGN_OR_RETURN(const std::vector<tpm::PcrValue> values,
                       volumes_.Predict(call.deadline, pcrs, FromMessage(request->update())));
      for (const tpm::PcrValue& value : values) {
        v1::PcrValue& added = *response->add_pcrs();
        added.set_bank(rpc::ToMessage(value.bank));
        added.set_index(value.index);
        added.set_digest(value.digest.data(), value.digest.size());
      }
      return {};
    });
  }

  grpc::Status InstallPolicySignatures(grpc::ServerContext* context,
                                       const v1::InstallPolicySignaturesRequest* request,
                                       v1::InstallPolicySignaturesResponse* response) override {
    return Serve(context, "InstallPolicySignatures", request->name(),
                 [&](const Call& call) -> Status {
                   ASSIGN_OR_RETURN(
                       const std::size_t signatures,
                       volumes_.InstallSignatures(call.deadline, request->name(), request->json()));
                   response->set_signatures(static_cast<std::uint32_t>(signatures));
                   return {};
                 });
  }

  // In parts, for it has megabytes.
  grpc::Status BackUpHeader(grpc::ServerContext* context, const v1::BackUpHeaderRequest* request,
                            grpc::ServerWriter<v1::HeaderBackupPart>* writer) override {
    return Serve(context, "BackUpHeader", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      ASSIGN_OR_RETURN(
          const std::string backup,
          volumes_.BackUp(call.deadline, request->name(), secret, request->certificates_pem()));
      const rpc::StreamDeadline deadline(*context, call.deadline);
      for (std::size_t at = 0; at < backup.size(); at += kPart) {
        v1::HeaderBackupPart part;
        part.set_cms_pem(backup.substr(at, kPart));
        if (!writer->Write(part)) return deadline.NotTaken();
      }
      return {};
    });
  }

  grpc::Status AcceptHeader(grpc::ServerContext* context, const v1::AcceptHeaderRequest* request,
                            v1::AcceptedHeader* response) override {
    return Serve(context, "AcceptHeader", request->name(), [&](const Call& call) -> Status {
      const VolumeSecret secret = TakeSecret(request->secret());
      const SecretBytes pin = TakeSecret(request->pin());
      return Tell(volumes_.Accept(call.deadline, request->name(), secret, pin), *response);
    });
  }

  grpc::Status RestoreHeader(grpc::ServerContext* context,
                             grpc::ServerReader<v1::RestoreHeaderRequest>* reader,
                             v1::AcceptedHeader* response) override {
    v1::RestoreHeaderRequest first;
    const bool begun = reader->Read(&first);
    return Serve(context, "RestoreHeader", first.name(), [&](const Call& call) -> Status {
      if (!begun) return Fail(Code::kInvalidArgument, "IMAGE_MISSING", "part: nothing was sent");
      const VolumeSecret secret = TakeSecret(first.secret());
      const rpc::StreamDeadline deadline(*context, call.deadline);
      std::string image = first.part();
      for (v1::RestoreHeaderRequest next; reader->Read(&next);) {
        if (image.size() + next.part().size() > kMaxEnvelopeContent) {
          return Fail(Code::kInvalidArgument, "IMAGE_TOO_LARGE", "part: no header is so large");
        }
        image += next.part();
      }
      return Tell(volumes_.Restore(call.deadline, first.name(), secret, AsBytes(image),
                                   first.over_other_volume()),
                  *response);
    });
  }

  grpc::Status EraseVolume(grpc::ServerContext* context, const v1::EraseVolumeRequest* request,
                           v1::EraseVolumeResponse*) override {
    return Serve(context, "EraseVolume", request->name(), [&](const Call& call) {
      return volumes_.Erase(call.deadline, request->name(), request->uuid());
    });
  }

 private:
  grpc::Status Serve(grpc::ServerContext* context, std::string_view method,
                     const std::string& target, const std::function<Status(const Call&)>& work) {
    return rpc::Serve(gate_, *context, "seaworthy.v1.VolumeService." + std::string(method), target,
                      work);
  }

  template <class Answer, class Message>
  static Status Tell(const Result<Answer>& answer, Message& message) {
    if (answer.ok()) ToMessage(*answer, message);
    return answer.status();
  }

  Result<EnrolledVolume> Add(const Call& call, const v1::AddWayInRequest& request,
                             const VolumeSecret& secret) {
    switch (request.way_in_case()) {
      case v1::AddWayInRequest::kTpm: {
        ASSIGN_OR_RETURN(const NewTpmWayIn wanted, FromMessage(request.tpm(), "tpm"));
        return volumes_.AddTpm(call.deadline, request.name(), secret, wanted);
      }
      case v1::AddWayInRequest::kRecoveryKey:
        return volumes_.AddRecovery(call.deadline, request.name(), secret);
      case v1::AddWayInRequest::WAY_IN_NOT_SET:
        break;
    }
    return Fail(Code::kInvalidArgument, "WAY_IN_MISSING", "way_in: must be given");
  }

  Volumes& volumes_;
  const rpc::Gate& gate_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> Volumes::MakeServices(const rpc::Gate& gate) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<Service>(*this, gate));
  return services;
}

}  // namespace seaworthy::volumes
