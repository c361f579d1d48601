#include "mcp/mcp_streams.h"

namespace litestream {
namespace {

void write_subscription_meta(JsonWriter& writer, std::string_view id) {
  writer.key("_meta").begin_object().key(kMetaSubscription).raw(id).end_object();
}

std::string_view change_method(McpChange::Kind kind) {
  switch (kind) {
    case McpChange::Kind::kTools: return "notifications/tools/list_changed";
    case McpChange::Kind::kPrompts: return "notifications/prompts/list_changed";
    case McpChange::Kind::kResources: return "notifications/resources/list_changed";
    case McpChange::Kind::kResource: break;
  }
  return "notifications/resources/updated";
}

// `subscription_id` is empty for a session's stream, `uri` unless a resource has changed.
std::string change_message(McpChange::Kind kind, std::string_view uri,
                           std::string_view subscription_id) {
  JsonWriter params;
  params.begin_object();
  if (!subscription_id.empty()) write_subscription_meta(params, subscription_id);
  if (kind == McpChange::Kind::kResource) params.key("uri").string(uri);
  return rpc_notification(change_method(kind), params.end_object().text());
}

std::string acknowledgement(std::string_view id, const McpFilter& filter) {
  JsonWriter params;
  params.begin_object();
  write_subscription_meta(params, id);
  params.key("notifications").begin_object();
  if (filter.tools) params.key("toolsListChanged").boolean(true);
  if (filter.prompts) params.key("promptsListChanged").boolean(true);
  if (filter.resources) params.key("resourcesListChanged").boolean(true);
  if (!filter.uris.empty()) {
    params.key("resourceSubscriptions").begin_array();
    for (const auto& entry : filter.uris) params.string(entry.first);
    params.end_array();
  }
  params.end_object().end_object();
  return rpc_notification("notifications/subscriptions/acknowledged", params.text());
}

bool wants_list(const McpFilter& filter, McpChange::Kind kind) {
  switch (kind) {
    case McpChange::Kind::kTools: return filter.tools;
    case McpChange::Kind::kPrompts: return filter.prompts;
    case McpChange::Kind::kResources: return filter.resources;
    case McpChange::Kind::kResource: break;
  }
  return false;
}

// Two pages of the specification disagree about the end of a subscription; this is what both allow.
void say_goodbye(McpOutbox& outbox, const std::string& id, const std::string& server_info_json) {
  JsonWriter cancelled;
  cancelled.begin_object().key("requestId").raw(id);
  cancelled.key("reason").string("the server is shutting down");
  write_subscription_meta(cancelled, id);
  outbox.push(rpc_notification("notifications/cancelled", cancelled.end_object().text()));
  JsonWriter result;
  result.begin_object().key("resultType").string("complete").key("_meta").begin_object();
  result.key(kMetaSubscription).raw(id).key(kMetaServerInfo).raw(server_info_json);
  outbox.push(rpc_result(id, result.end_object().end_object().text()));
  outbox.close();
}

}  // namespace

void McpStreams::listen(std::string id, McpFilter filter, std::shared_ptr<McpOutbox> outbox,
                        const void* owner) {
  const std::lock_guard lock(mutex_);
  drop_closed();
  outbox->push(acknowledgement(id, filter));
  listens_.push_back({std::move(id), std::move(filter), std::move(outbox), owner});
}

void McpStreams::end_listen(const std::string& id, const void* owner) {
  const std::lock_guard lock(mutex_);
  for (auto it = listens_.begin(); it != listens_.end(); ++it) {
    if (it->id != id || it->owner != owner) continue;
    it->outbox->close();
    listens_.erase(it);
    return;
  }
}

void McpStreams::publish(const McpChange& change) {
  const bool is_list = change.kind != McpChange::Kind::kResource;
  {
    const std::lock_guard lock(mutex_);
    for (const Listen& listen : listens_) {
      if (is_list && wants_list(listen.filter, change.kind)) {
        listen.outbox->push(change_message(change.kind, "", listen.id));
      }
      for (const auto& [uri, key] : listen.filter.uris) {
        if (is_list || key != change.key) continue;
        listen.outbox->push(change_message(change.kind, uri, listen.id));
      }
    }
  }
  for (const auto& session : sessions_.all()) {
    if (is_list) {
      session->notify(change_message(change.kind, "", ""));
      continue;
    }
    for (const std::string& uri : session->subscribed_uris(change.key)) {
      session->notify(change_message(change.kind, uri, ""));
    }
  }
}

void McpStreams::drop_closed() {
  std::erase_if(listens_, [](const Listen& listen) { return !listen.outbox->is_open(); });
}

McpListeners McpStreams::listeners() {
  McpListeners found;
  {
    const std::lock_guard lock(mutex_);
    drop_closed();
    for (const Listen& listen : listens_) {
      found.any = true;
      found.to_resources = found.to_resources || !listen.filter.uris.empty();
    }
  }
  for (const auto& session : sessions_.all()) {
    if (!session->has_stream()) continue;
    found.any = true;
    found.to_resources = found.to_resources || session->has_subscriptions();
  }
  return found;
}

size_t McpStreams::count() {
  const std::lock_guard lock(mutex_);
  drop_closed();
  return listens_.size();
}

void McpStreams::close_all(const std::string& server_info_json) {
  {
    const std::lock_guard lock(mutex_);
    for (const Listen& listen : listens_) {
      say_goodbye(*listen.outbox, listen.id, server_info_json);
    }
    listens_.clear();
  }
  for (const auto& session : sessions_.all()) session->close();
}

}  // namespace litestream
