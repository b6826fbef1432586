#%Module1.0
# Environment Modules: hypershell @VERSION@. The folder may lie anywhere: all is found from here.
#   TOP/modulefiles/hypershell/@VERSION@        this file
#   TOP/hypershell/@VERSION@/{bin,share}        what it names
set top [file dirname [file dirname [file dirname [file normalize $ModulesCurrentModulefile]]]]
set home $top/hypershell/@VERSION@

proc ModulesHelp { } {
    puts stderr "@SUMMARY@. Then: hs --help, man hsx"
}

module-whatis "@SUMMARY@"
conflict hypershell
prepend-path PATH $home/bin
# An empty part stands for the pages of the system. Without one man would know only those of modules.
prepend-path MANPATH $home/share/man
append-path MANPATH {}
