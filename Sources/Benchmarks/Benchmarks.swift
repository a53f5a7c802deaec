/// `make bench-lua`: what the Lua runtime costs by itself, one measurement a line (docs/performance-lua.md).
@main
enum Benchmarks {
  static func main() throws {
    for measurement in try LuaBenchmarks.all() { print(measurement) }
  }
}
