extension LuaCall {
  /// From now on a host function that wants to suspend the run raises ``waitRefusal`` instead, or no more.
  package func refusesToWait(_ refuses: Bool) { (instance as? LuaState)?.refusesToWait = refuses }

  /// What is raised then; who knows the function's name puts it before.
  package static var waitRefusal: String {
    "waits, and the function of a transaction does not: call it before or after"
  }
}
