<?xml version="1.0" encoding="UTF-8"?>
<!-- A record in one line, for CDCS core's own lists. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
  xmlns:nx="https://data.nist.gov/od/dm/nexus/experiment/v1.0" exclude-result-prefixes="nx">
  <xsl:output method="html" encoding="UTF-8" indent="no"/>
  <xsl:template match="/nx:Experiment">
    <div class="hit">
      <h2><xsl:choose><xsl:when test="string(nx:title)"><xsl:value-of select="nx:title"/></xsl:when><xsl:otherwise><xsl:value-of select="@pid"/></xsl:otherwise></xsl:choose></h2>
      <div class="facts">
        <xsl:for-each select="nx:summary/nx:experimenter"><span><xsl:value-of select="."/></span></xsl:for-each>
        <xsl:for-each select="nx:summary/nx:instrument"><span><xsl:value-of select="."/></span></xsl:for-each>
        <xsl:for-each select="nx:acquisitionActivity[1]/nx:startTime"><span><xsl:value-of select="substring(., 1, 10)"/></span></xsl:for-each>
        <span><xsl:value-of select="count(nx:acquisitionActivity/nx:dataset)"/> datasets</span>
      </div>
    </div>
  </xsl:template>
</xsl:stylesheet>
