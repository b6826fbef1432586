-- Lmod: hypershell @VERSION@. The folder may lie anywhere: all is found from here.
--   TOP/modulefiles/hypershell/@VERSION@.lua    this file
--   TOP/hypershell/@VERSION@/{bin,share}        what it names
help([[@SUMMARY@. Then: hs --help, man hsx]])
whatis("Name: hypershell")
whatis("Version: @VERSION@")
whatis("Description: @SUMMARY@")

local top = myFileName():match("^(.*)/modulefiles/hypershell/[^/]+$")
local home = pathJoin(top, "hypershell", "@VERSION@")

conflict("hypershell")
prepend_path("PATH", pathJoin(home, "bin"))
-- An empty part stands for the pages of the system. Without one man would know only those of modules.
prepend_path("MANPATH", pathJoin(home, "share/man"))
append_path("MANPATH", "")
