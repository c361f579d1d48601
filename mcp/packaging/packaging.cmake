# What `cmake --install` puts where, and the .deb that `cpack` makes of it.
include(GNUInstallDirs)
set(LITESTREAM_SYSCONFDIR /etc CACHE PATH "where litestream.yml is installed")

# The unit names the program where it is installed: a package has another prefix than the build.
install(CODE "
  configure_file(\"${CMAKE_CURRENT_LIST_DIR}/litestream.service\"
                 \"${CMAKE_CURRENT_BINARY_DIR}/litestream.service\" @ONLY)")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/litestream.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/litestream.yml DESTINATION ${LITESTREAM_SYSCONFDIR})
install(TARGETS litestream_ext LIBRARY DESTINATION lib/litestream)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/litestream RENAME copyright)
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION share/doc/litestream)

find_program(LITESTREAM_GZIP gzip REQUIRED)
# What the page says about commands is what the program says about itself.
set(LITESTREAM_MAN_SOURCES
  ${CMAKE_CURRENT_BINARY_DIR}/litestream.1 ${PROJECT_SOURCE_DIR}/mcp/man/litestream.yml.5)
add_custom_command(
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/litestream.1
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:litestream>
          -DTEMPLATE=${PROJECT_SOURCE_DIR}/mcp/man/litestream.1
          -DOUTPUT=${CMAKE_CURRENT_BINARY_DIR}/litestream.1
          -P ${CMAKE_CURRENT_LIST_DIR}/man_page.cmake
  DEPENDS litestream ${PROJECT_SOURCE_DIR}/mcp/man/litestream.1
          ${CMAKE_CURRENT_LIST_DIR}/man_page.cmake
  VERBATIM)
foreach(source ${LITESTREAM_MAN_SOURCES})
  get_filename_component(page ${source} NAME)
  set(packed ${CMAKE_CURRENT_BINARY_DIR}/${page}.gz)
  add_custom_command(OUTPUT ${packed} COMMAND ${LITESTREAM_GZIP} -9nc ${source} > ${packed}
                     DEPENDS ${source} VERBATIM)
  list(APPEND LITESTREAM_MAN_PAGES ${packed})
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${packed} DESTINATION share/man/man${section})
endforeach()
add_custom_target(litestream_man ALL DEPENDS ${LITESTREAM_MAN_PAGES})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME litestream)
set(CPACK_PACKAGE_CONTACT "The litestream_ext authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "continuous backup for SQLite databases")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded when a remote store needs it.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4 | libcurl3-gnutls, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
