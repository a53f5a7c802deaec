// The Lua headers of the distribution, in the order they want to be read.
#pragma once
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
