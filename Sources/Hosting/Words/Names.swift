/// Names in order, `default` before all others: the first store, and the first executor, is the default one.
package func defaultFirst(_ names: some Sequence<String>) -> [String] {
  let sorted = names.sorted()
  return sorted.filter { $0 == "default" } + sorted.filter { $0 != "default" }
}

/// `1 run`, `2 runs`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
