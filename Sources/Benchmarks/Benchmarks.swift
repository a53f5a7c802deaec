/// `make bench-lua`: what the Lua runtime costs by itself, one figure a line (docs/performance-lua.md).
@main
enum Benchmarks {
  static func main() throws {
    for figure in try LuaBenchmarks.all() { print(figure) }
  }
}
