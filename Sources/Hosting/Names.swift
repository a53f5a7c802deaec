/// Names in order, `default` before all others: the first store, and the first executor, is the default one.
package func defaultFirst(_ names: some Sequence<String>) -> [String] {
  let sorted = names.sorted()
  return sorted.filter { $0 == "default" } + sorted.filter { $0 != "default" }
}
