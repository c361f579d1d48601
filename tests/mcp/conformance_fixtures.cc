#include "tests/mcp/conformance_fixtures.h"

#include <chrono>
#include <thread>

namespace litestream::test {
namespace {

using Arguments = std::optional<simdjson::dom::object>;

constexpr const char* kNoArguments = R"({"type":"object","additionalProperties":false})";
constexpr const char* kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg==";
constexpr const char* kWav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

std::string json_text(std::string_view text) {
  JsonWriter writer;
  return std::move(writer.string(text)).take();
}

std::string text_block(std::string_view text) {
  return R"({"type":"text","text":)" + json_text(text) + "}";
}

std::string image_block() {
  return std::string(R"({"type":"image","mimeType":"image/png","data":")") + kPng + "\"}";
}

std::string resource_block(const char* uri, const char* type, std::string_view text) {
  return std::string(R"({"type":"resource","resource":{"uri":)") + json_text(uri) +
         R"(,"mimeType":")" + type + R"(","text":)" + json_text(text) + "}}";
}

McpOutcome content(const std::string& blocks, bool is_error = false) {
  return McpOutcome::of("{\"content\":[" + blocks +
                        "],\"isError\":" + (is_error ? "true}" : "false}"));
}

McpOutcome said(std::string_view text) { return content(text_block(text)); }

std::string argument(const Arguments& arguments, const char* name) {
  std::string_view text;
  return arguments && (*arguments)[name].get(text) == simdjson::SUCCESS ? std::string(text) : "";
}

void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

std::string form(const std::string& message, const std::string& properties,
                 const std::string& required) {
  return "{\"message\":" + json_text(message) +
         R"(,"requestedSchema":{"type":"object","properties":{)" + properties + "},\"required\":[" +
         required + "]}}";
}

McpQuestion form_question(const char* key, const char* message, const char* property,
                          const char* type = "string") {
  return {key, "elicitation/create",
          form(message, "\"" + std::string(property) + R"(":{"type":")" + type + "\"}",
               "\"" + std::string(property) + "\"")};
}

McpQuestion sampling_question(const char* key, const std::string& text, int tokens_max) {
  return {key, "sampling/createMessage",
          R"({"messages":[{"role":"user","content":{"type":"text","text":)" + json_text(text) +
              "}}],\"maxTokens\":" + std::to_string(tokens_max) + "}"};
}

const McpQuestion& roots_question() {
  static const McpQuestion question = {"client_roots", "roots/list", "{}"};
  return question;
}

// The text of content.text in an answer, or the whole answer.
std::string text_of_answer(const std::string& answer) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view text;
  if (parser.parse(answer).get(root) == simdjson::SUCCESS &&
      (root["content"]["text"].get(text) == simdjson::SUCCESS ||
       root["content"]["name"].get(text) == simdjson::SUCCESS)) {
    return std::string(text);
  }
  return answer;
}

// Asks one question and tells what came back.
McpOutcome ask_and_tell(McpCall& call, const McpQuestion& question, const std::string& prefix) {
  const auto answers = call.ask({question}, "");
  return answers ? said(prefix + text_of_answer(answers->at(question.key))) : call.unanswered();
}

constexpr const char* kSep1034 =
    R"("name":{"type":"string","default":"John Doe"},"age":{"type":"integer","default":30},)"
    R"("score":{"type":"number","default":95.5},"status":{"type":"string",)"
    R"("enum":["active","inactive","pending"],"default":"active"},)"
    R"("verified":{"type":"boolean","default":true})";

constexpr const char* kSep1330 =
    R"("untitledSingle":{"type":"string","enum":["option1","option2","option3"]},)"
    R"("titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},)"
    R"({"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},)"
    R"("legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],)"
    R"("enumNames":["Option One","Option Two","Option Three"]},)"
    R"("untitledMulti":{"type":"array","items":{"type":"string",)"
    R"("enum":["option1","option2","option3"]}},)"
    R"("titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},)"
    R"({"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}})";

constexpr const char* kSchema2020 =
    R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",)"
    R"("$defs":{"address":{"$anchor":"addressDef","type":"object",)"
    R"("properties":{"street":{"type":"string"},"city":{"type":"string"}}}},)"
    R"("properties":{"name":{"type":"string"},)"
    R"("address":{"$ref":"#/$defs/address"},"contactMethod":{"type":"string",)"
    R"("enum":["phone","email"]},"phone":{"type":"string"},"email":{"type":"string"}},)"
    R"("allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],)"
    R"("if":{"properties":{"contactMethod":{"const":"phone"}},"required":["contactMethod"]},)"
    R"("then":{"required":["phone"]},"else":{"required":["email"]},"additionalProperties":false})";

McpOutcome prompt(const std::string& messages) {
  return McpOutcome::of("{\"messages\":[" + messages + "]}");
}

std::string user_message(const std::string& block) {
  return R"({"role":"user","content":)" + block + "}";
}

}  // namespace

ConformanceFixtures::ConformanceFixtures()
    : identity_{"conformance", "Conformance fixtures", LITESTREAM_VERSION,
                "Fixtures of the suite."} {
  add_content_tools();
  add_talking_tools();
  add_asking_tools();
  add_schema_tools();
  add_round_tools();
}

void ConformanceFixtures::add(const std::string& name, Run run, std::string input_schema) {
  if (input_schema.empty()) input_schema = kNoArguments;
  tools_[name] = {"A fixture of the conformance suite: " + name, std::move(input_schema),
                  std::move(run)};
}

void ConformanceFixtures::add_content_tools() {
  add("test_simple_text", [](const Arguments&, McpCall&) {
    return said("This is a simple text response for testing.");
  });
  add("test_image_content", [](const Arguments&, McpCall&) { return content(image_block()); });
  add("test_audio_content", [](const Arguments&, McpCall&) {
    return content(std::string(R"({"type":"audio","mimeType":"audio/wav","data":")") + kWav +
                   "\"}");
  });
  add("test_embedded_resource", [](const Arguments&, McpCall&) {
    return content(resource_block("test://embedded-resource", "text/plain",
                                  "This is an embedded resource content."));
  });
  add("test_multiple_content_types", [](const Arguments&, McpCall&) {
    return content(text_block("Multiple content types test:") + "," + image_block() + "," +
                   resource_block("test://mixed-content-resource", "application/json",
                                  R"({"test":"data","value":123})"));
  });
  add("test_error_handling", [](const Arguments&, McpCall&) {
    return tool_failure("This tool intentionally returns an error for testing");
  });
}

void ConformanceFixtures::add_talking_tools() {
  const Run logging = [](const Arguments&, McpCall& call) {
    for (const char* text :
         {"Tool execution started", "Tool processing data", "Tool execution completed"}) {
      call.log(McpLogLevel::kInfo, "conformance", json_text(text));
      rest();
    }
    return said("logged");
  };
  add("test_tool_with_logging", logging);
  add("test_logging_tool", logging);
  add("test_tool_with_progress", [](const Arguments&, McpCall& call) {
    for (const int done : {0, 50, 100}) {
      call.progress(done, 100, "");
      if (done < 100) rest();
    }
    return said("done");
  });
  add("test_trigger_tool_change", [this](const Arguments&, McpCall&) {
    publish_({McpChange::Kind::kTools, ""});
    return said("tools changed");
  });
  add("test_trigger_prompt_change", [this](const Arguments&, McpCall&) {
    publish_({McpChange::Kind::kPrompts, ""});
    return said("prompts changed");
  });
}

void ConformanceFixtures::add_asking_tools() {
  add(
      "test_sampling",
      [](const Arguments& arguments, McpCall& call) {
        return ask_and_tell(call, sampling_question("llm", argument(arguments, "prompt"), 100),
                            "LLM response: ");
      },
      R"({"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]})");
  add(
      "test_elicitation",
      [](const Arguments& arguments, McpCall& call) {
        const std::string properties =
            R"("username":{"type":"string","description":"User's response"},)"
            R"("email":{"type":"string","description":"User's email address"})";
        return ask_and_tell(
            call,
            {"user", "elicitation/create",
             form(argument(arguments, "message"), properties, R"("username","email")")},
            "User response: ");
      },
      R"({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})");
  add("test_elicitation_sep1034_defaults", [](const Arguments&, McpCall& call) {
    return ask_and_tell(call, {"user", "elicitation/create", form("Defaults", kSep1034, "")},
                        "Elicitation completed: ");
  });
  add("test_elicitation_sep1330_enums", [](const Arguments&, McpCall& call) {
    return ask_and_tell(call, {"user", "elicitation/create", form("Enums", kSep1330, "")},
                        "Elicitation completed: ");
  });
  add("test_missing_capability", [](const Arguments&, McpCall& call) {
    return ask_and_tell(call, sampling_question("llm", "hello", 10), "");
  });
  add("test_streaming_elicitation", [](const Arguments&, McpCall& call) {
    return ask_and_tell(call, form_question("user_name", "What is your name?", "name"), "");
  });
}

void ConformanceFixtures::add_schema_tools() {
  add(
      "json_schema_2020_12_tool", [](const Arguments&, McpCall&) { return said("ok"); },
      kSchema2020);
  add(
      "test_header_parameter", [](const Arguments&, McpCall&) { return said("ok"); },
      R"({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}},)"
      R"("required":["region"]})");
}

void ConformanceFixtures::add_round_tools() {
  const std::string prefix = "test_input_required_result_";
  add(prefix + "elicitation", [](const Arguments&, McpCall& call) {
    const McpQuestion question = form_question("user_name", "What is your name?", "name");
    return ask_and_tell(call, question, "Hello, ");
  });
  add(prefix + "sampling", [](const Arguments&, McpCall& call) {
    return ask_and_tell(
        call, sampling_question("capital_question", "What is the capital of France?", 100), "");
  });
  add(prefix + "list_roots", [](const Arguments&, McpCall& call) {
    return ask_and_tell(call, roots_question(), "Roots: ");
  });
  const Run confirm = [](const Arguments&, McpCall& call) {
    const auto answers =
        call.ask({form_question("confirm", "Please confirm", "ok", "boolean")}, "confirm");
    return answers ? said("state-ok") : call.unanswered();
  };
  add(prefix + "request_state", confirm);
  add(prefix + "tampered_state", confirm);
  add(prefix + "multiple_inputs", [](const Arguments&, McpCall& call) {
    const auto answers =
        call.ask({form_question("user_name", "What is your name?", "name"),
                  sampling_question("greeting", "Generate a greeting", 50), roots_question()},
                 "multiple");
    return answers ? said("All inputs received") : call.unanswered();
  });
  add(prefix + "multi_round", [](const Arguments&, McpCall& call) {
    if (call.state() != "two") {
      const auto first =
          call.ask({form_question("step1", "Step 1: What is your name?", "name")}, "one");
      if (!first) return call.unanswered();
    }
    const auto second =
        call.ask({form_question("step2", "Step 2: What is your favorite color?", "color")}, "two");
    return second ? said("Both steps done") : call.unanswered();
  });
  add(prefix + "capabilities", [](const Arguments&, McpCall& call) {
    std::vector<McpQuestion> questions;
    if (call.client().elicitation) questions.push_back(form_question("name", "Name?", "name"));
    if (call.client().sampling) questions.push_back(sampling_question("greeting", "Hello", 10));
    if (questions.empty()) return said("nothing to ask");
    return call.ask(questions, "") ? said("asked") : call.unanswered();
  });
}

Result<McpListing> ConformanceFixtures::list(McpList kind) {
  McpListing listing;
  if (kind == McpList::kTools) {
    for (const auto& [name, tool] : tools_) {
      listing.items.push_back("{\"name\":" + json_text(name) +
                              ",\"description\":" + json_text(tool.description) +
                              ",\"inputSchema\":" + tool.input_schema + "}");
    }
  } else if (kind == McpList::kPrompts) {
    const auto add_prompt = [&](const char* name, const char* arguments) {
      listing.items.push_back(R"({"name":")" + std::string(name) +
                              R"(","description":"A fixture","arguments":)" + arguments + "}");
    };
    add_prompt("test_simple_prompt", "[]");
    add_prompt("test_prompt_with_arguments",
               R"([{"name":"arg1","required":true},{"name":"arg2","required":true}])");
    add_prompt("test_prompt_with_embedded_resource", R"([{"name":"resourceUri","required":true}])");
    add_prompt("test_prompt_with_image", "[]");
    add_prompt("test_input_required_result_prompt", "[]");
  } else if (kind == McpList::kResources) {
    for (const char* name : {"static-text", "static-binary", "watched-resource"}) {
      listing.items.push_back(R"({"uri":"test://)" + std::string(name) + R"(","name":")" + name +
                              R"(","description":"A fixture"})");
    }
  } else {
    listing.items.push_back(
        R"({"uriTemplate":"test://template/{id}/data","name":"template",)"
        R"("description":"A fixture"})");
  }
  return listing;
}

McpOutcome ConformanceFixtures::call_tool(std::string_view name,
                                          std::optional<simdjson::dom::object> arguments,
                                          McpCall& call) {
  const auto tool = tools_.find(name);
  if (tool == tools_.end()) return McpOutcome::failure(kRpcInvalidParams, "Unknown tool");
  return tool->second.run(arguments, call);
}

std::vector<McpHeaderParameter> ConformanceFixtures::header_parameters(std::string_view name) {
  if (name != "test_header_parameter") return {};
  return {{"Region", "region"}};
}

McpOutcome ConformanceFixtures::get_prompt(std::string_view name,
                                           std::optional<simdjson::dom::object> arguments,
                                           McpCall& call) {
  const auto text = [&](const char* key) {
    std::string_view value;
    const bool given = arguments && (*arguments)[key].get(value) == simdjson::SUCCESS;
    return given ? std::string(value) : std::string();
  };
  if (name == "test_simple_prompt") {
    return prompt(user_message(text_block("This is a simple prompt for testing.")));
  }
  if (name == "test_prompt_with_arguments") {
    return prompt(user_message(text_block("Prompt with arguments: arg1='" + text("arg1") +
                                          "', arg2='" + text("arg2") + "'")));
  }
  if (name == "test_prompt_with_embedded_resource") {
    return prompt(user_message(resource_block(text("resourceUri").c_str(), "text/plain",
                                              "Embedded resource content for testing.")) +
                  "," + user_message(text_block("Please process the embedded resource above.")));
  }
  if (name == "test_prompt_with_image") {
    return prompt(user_message(image_block()) + "," +
                  user_message(text_block("Please analyze the image above.")));
  }
  if (name == "test_input_required_result_prompt") {
    const auto answers = call.ask(
        {form_question("user_context", "What context should the prompt use?", "context")}, "");
    if (!answers) return call.unanswered();
    return prompt(user_message(text_block("Context: " + answers->at("user_context"))));
  }
  return McpOutcome::failure(kRpcInvalidParams, "Unknown prompt");
}

Result<std::string> ConformanceFixtures::read_resource(std::string_view uri, McpCall&) {
  const std::string head = "[{\"uri\":" + json_text(uri) + ",";
  if (uri == "test://static-text") {
    return head +
           R"("mimeType":"text/plain","text":"This is the content of the static text resource."}])";
  }
  if (uri == "test://static-binary") {
    return head + R"("mimeType":"image/png","blob":")" + kPng + "\"}]";
  }
  constexpr std::string_view kTemplate = "test://template/";
  constexpr std::string_view kEnd = "/data";
  if (uri.starts_with(kTemplate) && uri.ends_with(kEnd)) {
    const std::string id(uri.substr(kTemplate.size(), uri.size() - kTemplate.size() - kEnd.size()));
    return head + R"("mimeType":"application/json","text":)" +
           json_text("{\"id\":\"" + id + R"(","templateTest":true,"data":"Data for ID: )" + id +
                     "\"}") +
           "}]";
  }
  return not_found("no such resource");
}

std::optional<std::string> ConformanceFixtures::resource_key(std::string_view uri) {
  if (!uri.starts_with("test://")) return std::nullopt;
  return std::string(uri);
}

Result<std::vector<std::string>> ConformanceFixtures::complete(
    const McpCompletionRequest& request) {
  std::vector<std::string> fitting;
  for (const char* value : {"paris", "park", "party"}) {
    if (std::string_view(value).starts_with(request.prefix)) fitting.emplace_back(value);
  }
  return fitting;
}

}  // namespace litestream::test
