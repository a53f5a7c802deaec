package import JobModel
internal import Triggers

extension JobDefinition {
  /// When it runs, as one phrase.
  package var whenInWords: String {
    var parts: [String] = []
    if let trigger { parts.append(trigger.description) }
    if runAtStart { parts.append("at each start") }
    if !events.isEmpty { parts.append("on " + events.joined(separator: ", ")) }
    if let afterInWords { parts.append(afterInWords) }
    if let watch { parts.append(watch.inWords) }
    return parts.isEmpty ? "when asked" : parts.joined(separator: "; ")
  }
}
